"""From a run folder to figures that can be believed: predictions, calibration, intervals, and one report to read.

Each module is imported by its own name, so that importing this package loads nothing heavy.
"""
