"""The performance of a model: its scores compared with labels, in its own validation and in the current month."""
