"""One file a published set: its own layout -> records."""
