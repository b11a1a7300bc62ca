"""The scoring API: features from the online store, the champion's probability, and a log of what was served."""
