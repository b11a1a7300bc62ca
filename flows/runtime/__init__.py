"""What flows run on: settings and database, a Prefect server, retries, progress, metrics of a run."""
