"""MLflow's user interface."""
