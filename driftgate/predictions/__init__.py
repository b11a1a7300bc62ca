"""The log of predictions, and the batches that score a whole month."""
