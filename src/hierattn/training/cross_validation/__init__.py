"""Training every fold: in this process, in several, or on a cluster."""
