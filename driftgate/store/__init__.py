"""The tables of runs, the record of a run, and what is read back from them."""
