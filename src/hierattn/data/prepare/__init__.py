"""``hierattn prepare``: from a data set as published to a prepared set."""
