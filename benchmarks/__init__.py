"""What Driftgate costs, against the textbook way, in one run."""
