"""Drift verdicts and a retraining gate for models on a Feast feature store."""

__version__ = "0.1.0"
