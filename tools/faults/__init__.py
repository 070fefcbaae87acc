"""Commands killed at any moment, and two at once: nothing is lost, and the same command ends with the same bytes."""
