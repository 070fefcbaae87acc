"""Changes of training images on the fly (§4.1.1)."""
