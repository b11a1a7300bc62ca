"""Versions of the watched model, their files, and MLflow, which keeps them."""
