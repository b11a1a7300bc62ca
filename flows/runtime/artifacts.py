"""Keys of Prefect artifacts. A module of its own, because every flow names its artifacts by it."""

from datetime import date


def artifact_key(kind: str, *parts: str | date) -> str:
    """The key under which Prefect keeps the versions of one artifact: lower-case letters, digits and dashes.

    Args:
        kind: what it shows, such as "verdict".
        parts: what it is about: a monitor, months.

    >>> artifact_key("verdict", "My_orders", date(2024, 1, 31))
    'verdict-my-orders-2024-01-31'
    """
    return "-".join([kind, *map(str, parts)]).lower().replace("_", "-")
