"""From judged runs to the published results."""
