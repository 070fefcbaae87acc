"""From evaluated runs to the released bundles."""
