"""Months as files, made of a rule that ties the label to the features."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from driftgate.features.files import write_file
from driftgate.features.labels import LabelMonth
from driftgate.features.types import DeclaredFeature, FeatureMonth, Kind
from driftgate.measures import LabelKind
from driftgate.monitors import Monitor

JAN, FEB = date(2024, 1, 31), date(2024, 2, 29)
KEY = "user_id"

DECLARED = (
    DeclaredFeature("usage", "v", "FLOAT64", Kind.NUMERIC),
    DeclaredFeature("count", "v", "INT64", Kind.NUMERIC),
    DeclaredFeature("plan", "v", "STRING", Kind.CATEGORICAL),
    DeclaredFeature("paperless", "v", "BOOL", Kind.CATEGORICAL),
)


def monitor(**overrides: object) -> Monitor:
    """A monitor of these months."""
    return Monitor.model_validate(
        {
            "name": "m",
            "feature_service": "s",
            "entity": {"table": "t", "key": KEY, "timestamp": "at"},
            "label": {"table": "l", "column": "churned", "timestamp": "of"},
            **overrides,
        }
    )


def month(
    folder: Path,
    as_of: date,
    users: int = 1500,
    seed: int = 0,
    strength: float = 2.0,
    keys: list[object] | None = None,
    labelled: float = 1.0,
) -> tuple[FeatureMonth, LabelMonth]:
    """A month whose label depends on `usage` by `strength`; some values are missing, rows are in no order."""
    random = np.random.default_rng(seed)
    usage = random.normal(size=users)
    labels = random.random(users) < 1 / (1 + np.exp(-(strength * usage - 1)))
    keys = keys or [f"u{n}" for n in range(users)]
    table = pa.table(
        {
            KEY: keys,
            "usage": [None if n % 10 == 0 else value for n, value in enumerate(usage.tolist())],
            "count": pa.array(random.integers(0, 9, users), pa.int32()),
            "plan": random.choice(["a", "b", None], users).tolist(),
            "paperless": [None if n % 7 == 0 else bool(n % 2) for n in range(users)],
        }
    )
    path = folder / f"features_{as_of}.arrow"
    write_file(path, table.take(pa.array(random.permutation(users))))
    kept = random.permutation(users)[: round(labelled * users)]
    answers = pa.table({KEY: [keys[n] for n in kept], "label": [bool(labels[n]) for n in kept]})
    write_file(folder / f"labels_{as_of}.arrow", answers)
    return (
        FeatureMonth(as_of, path, users, DECLARED, (), ()),
        LabelMonth(
            as_of, users, len(kept), float(labels[kept].mean()), "", LabelKind.BOOLEAN, folder / f"labels_{as_of}.arrow"
        ),
    )
