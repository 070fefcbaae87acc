"""From a photograph and a bundle to probabilities and advice. No torch."""
