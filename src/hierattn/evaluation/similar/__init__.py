"""The training photographs that a network sees most alike to a photograph."""
