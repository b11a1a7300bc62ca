"""Policies of retraining replayed over past months, and what each would have cost."""
