"""Commands for what a reviewer and a clinic ask of a model."""
