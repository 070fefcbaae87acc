"""What following the advice would be worth in a clinic, and at another prevalence than the collection's."""
