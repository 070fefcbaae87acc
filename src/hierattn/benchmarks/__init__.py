"""What ``hierattn benchmark`` measures: both sides interleaved in one process, reported as ratios."""
