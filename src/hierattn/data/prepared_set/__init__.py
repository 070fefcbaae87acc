"""The prepared set that every later stage reads: manifest, packed images, folds."""
