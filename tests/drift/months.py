"""Months made of a few Arrow columns, written where a test says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from driftgate.drift.comparison import Side, checked_against, compare
from driftgate.drift.ledger import Ledger, build_ledger, require_comparable
from driftgate.drift.report import DrawnReport, draw
from driftgate.drift.result import DriftResult
from driftgate.features.entities import MonthSize
from driftgate.features.files import read_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.features.types import DeclaredFeature, FeatureMonth, Kind
from driftgate.measures import LabelKind
from driftgate.monitors import Monitor
from driftgate.profiles.build import measure_features
from driftgate.profiles.profile import Profile

JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)
_KINDS = {
    **dict.fromkeys(("INT32", "INT64", "FLOAT32", "FLOAT64", "DECIMAL"), Kind.NUMERIC),
    **dict.fromkeys(("BOOL", "STRING", "UUID"), Kind.CATEGORICAL),
    "UNIX_TIMESTAMP": Kind.TIMESTAMP,
    "Array(Float32)": Kind.ARRAY,
}

Columns = Mapping[str, Any]
Types = Mapping[str, str]


def monitor(**overrides: Any) -> Monitor:
    """A monitor `m` with a label; keywords replace its fields."""
    return Monitor.model_validate(
        {
            "name": "m",
            "feature_service": "service_v1",
            "entity": {"table": "entities", "key": "user_id", "timestamp": "as_of"},
            "label": {"table": "labels", "column": "churned", "timestamp": "period_start"},
            **overrides,
        }
    )


def declare(types: Types) -> tuple[DeclaredFeature, ...]:
    """Features by name and Feast type, all of the view `view`."""
    return tuple(
        DeclaredFeature(name, "view", dtype, _KINDS.get(dtype, Kind.UNSUPPORTED)) for name, dtype in types.items()
    )


def write_arrow(path: Path, columns: Columns) -> Path:
    """An Arrow IPC file of these columns."""
    table = pa.table(
        {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    )
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def month(folder: Path, as_of: date, columns: Columns, types: Types, stale: Sequence[str] = ()) -> FeatureMonth:
    """One month of features; a declared column that `columns` lacks is absent."""
    path = write_arrow(folder / f"features_{as_of}.arrow", columns)
    rows = len(next(iter(columns.values())))
    absent = tuple(name for name in types if name not in columns)
    return FeatureMonth(as_of, path, rows, declare(types), absent, tuple(stale))


@dataclass(frozen=True)
class Compared:
    """The result of two months, and the report of them."""

    drift: DriftResult
    report: DrawnReport

    @property
    def html(self) -> str:
        """The page."""
        return self.report.html

    @property
    def json(self) -> str:
        """The document."""
        return self.report.json


def pair(folder: Path, ref: Columns, cur: Columns, types: Types) -> tuple[FeatureMonth, FeatureMonth]:
    """Two months of the same declared features."""
    return month(folder, JANUARY, ref, types), month(folder, FEBRUARY, cur, types)


def labels(folder: Path, as_of: date, values: Any, entities: int | None = None) -> LabelMonth:
    """A month of labels: booleans or numbers, for the first of the entities."""
    path = write_arrow(folder / f"labels_{as_of}.arrow", {LABEL_COLUMN: values})
    numbers = np.asarray(values, dtype=float)
    kind = LabelKind.BOOLEAN if isinstance(values[0], bool | np.bool_) else LabelKind.NUMERIC
    return LabelMonth(as_of, entities or len(values), len(values), float(numbers.mean()), "", kind, path)


def no_labels(as_of: date, entities: int, reason: str) -> LabelMonth:
    """A month whose label mean is not computable."""
    return LabelMonth(as_of, entities, 0, float("nan"), reason, None, None)


def profile_of(features: FeatureMonth) -> Profile:
    """What is counted of a month."""
    return measure_features(read_file(features.path), features.declared, features.as_of)


def ledger_of(ref: FeatureMonth, cur: FeatureMonth, rules: Monitor) -> Ledger:
    """The ledger of two months."""
    return build_ledger((profile_of(ref), profile_of(cur)), cur.declared, rules, cur.stale_views)


def side(features: FeatureMonth, label: LabelMonth | None = None, entities: int | None = None) -> Side:
    """One side of a comparison; more entities than rows make it a sample."""
    whole = entities or features.rows
    size = MonthSize(features.as_of, whole, features.rows)
    found = label or no_labels(features.as_of, whole, "the monitor has no label")
    return Side(size, features, found, profile_of(features))


def compared(
    folder: Path,
    ref: Columns,
    cur: Columns,
    types: Types,
    label: tuple[LabelMonth, LabelMonth] | None = None,
    entities: int | None = None,
    **overrides: Any,
) -> Compared:
    """Two months written and compared; other keywords are the monitor's fields."""
    sides = [
        side(month, label[position] if label else None, entities)
        for position, month in enumerate(pair(folder, ref, cur, types))
    ]
    policy = monitor(**overrides)
    ledger = ledger_of(sides[0].features, sides[1].features, policy)
    require_comparable(ledger, policy)
    months, found = (sides[0].features, sides[1].features), (sides[0].labels, sides[1].labels)
    report = draw(months, found, ledger, policy)
    return Compared(checked_against(compare(*sides, ledger, policy), report, *sides), report)
