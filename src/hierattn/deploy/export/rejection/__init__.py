"""What a bundle refuses to answer: photographs unlike its training images, and photographs without one lesion."""
