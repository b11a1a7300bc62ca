"""Prefect flows and the command line: order, retries, artifacts. The work itself is in driftgate."""
