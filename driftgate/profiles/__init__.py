"""A month measured once: exact counts of every feature, kept with the month's rows or a sample of them."""
