"""From evaluated runs to the published results."""
