"""Weights: the checkpoint, where they may come from, and which photographs they were trained on."""
