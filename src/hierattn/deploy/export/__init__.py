"""From a checkpoint to one file that answers anywhere, proven equal to PyTorch."""
