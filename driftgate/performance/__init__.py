"""Whether a model still knows what it knew: its scores held against labels, then and now."""
