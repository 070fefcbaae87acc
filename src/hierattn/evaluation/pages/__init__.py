"""What people read of an evaluation: the HTML report, its figures, the model card."""
