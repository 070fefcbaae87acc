"""What a network starts from and who teaches it."""
