"""The audit of labels: what a person should look at again in a prepared set. It decides nothing."""
