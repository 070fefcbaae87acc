"""What an optimiser step is made of: loss, optimiser, schedule, averaged weights."""
