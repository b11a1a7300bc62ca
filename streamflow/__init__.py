"""StreamFlow, the worked case: a video-streaming service that predicts which subscribers will churn.

The one package that knows the source tables of StreamFlow, and how sample months of it are made. Its Feast repository
is in `feature_repo/`, and what is watched of it is in `flows/monitors.toml`.
"""

MONITOR = "churn"
"""The heading of its monitor in monitors.toml."""

TARGET = "churn"
"""What its model predicts, as people say it."""
