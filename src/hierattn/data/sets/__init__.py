"""Data sets: where each is to be had, and how it is laid out."""
