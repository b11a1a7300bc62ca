"""The log of predictions, and batches of them."""
