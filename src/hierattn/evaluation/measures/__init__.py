"""What an evaluation measures: one measure a file."""
