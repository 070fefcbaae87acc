"""The command that speaks to the Hugging Face Hub."""
