"""From judged runs to the released bundles."""
