"""What answers to questions are worth beside the photograph, and by themselves."""
