"""Training: the recipe, the schedule, the visible loop and the run folder it leaves behind (§4.1.1)."""
