"""Balancing the classes (§3.2.2): instance hardness, under-sampling, over-sampling."""
