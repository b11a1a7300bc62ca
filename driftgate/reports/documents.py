"""What commands print for programs: one JSON document each. docs/reference/json.md lists their fields."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from driftgate.store.record import RunRecord


def runs_document(monitor: str, runs: Sequence[RunRecord]) -> str:
    """The runs of a monitor in the order given, each as its record, without the features."""
    records = [{name: value for name, value in run.content.items() if name != "columns"} for run in runs]
    return _text({"monitor": monitor, "runs": records})


def run_document(record: RunRecord) -> str:
    """One run as its record."""
    return _text(record.content)


def months_document(monitor: str, months: Sequence[date]) -> str:
    """The loaded months of a monitor in the order given."""
    return _text({"monitor": monitor, "months": [month.isoformat() for month in months]})


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, allow_nan=False)
