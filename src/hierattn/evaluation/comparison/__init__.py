"""Several runs side by side on the same folds: ``hierattn compare``."""
