"""What is in the files that a model is opened from, read without loading any of them."""
