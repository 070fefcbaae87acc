"""A trained model on the Hugging Face Hub: what is made public of it, its cards, and the push."""
