"""Published data sets: where each is to be had, how it is laid out, and its reader."""
