"""Driftgate as a library: two tables in, their drift out. It needs no database, no Feast and no Prefect.

The monitor uses the same ledger, scores and tests; what it adds is where the tables come from, and what follows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from driftgate.drift.comparison import compare_columns, level_of
from driftgate.drift.ledger import build_ledger
from driftgate.drift.result import ColumnResult, ColumnState, DriftResult, finite
from driftgate.errors import DataError, UsageError, bounded
from driftgate.features.types import DeclaredFeature, Kind
from driftgate.monitors import require_share, usable_monitor
from driftgate.profiles.build import measure_features

if TYPE_CHECKING:
    import pandas as pd

_NO_DAY = date(1970, 1, 1)
_NO_COLUMN = "no column: what is no feature is left out before"


@dataclass(frozen=True)
class DataComparison:
    """Two tables compared.

    Attributes:
        drift: every feature with its state, score and p-value.
        threshold: the drift share from which the data count as drifted.
    """

    drift: DriftResult
    threshold: float

    @property
    def drift_share(self) -> float:
        """Drifted columns over all features, in [0, 1]."""
        return self.drift.drift_share

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the drifted columns, the worst first."""
        return tuple(column.name for column in self.drift.worst_first if column.drifted)

    @property
    def columns(self) -> tuple[ColumnResult, ...]:
        """Every feature, the worst first."""
        return self.drift.worst_first

    @property
    def is_drifted(self) -> bool:
        """Whether the drift share reaches the threshold."""
        return self.drift_share >= self.threshold

    def to_dict(self) -> dict[str, Any]:
        """Return the result in JSON's types; a number that is not computable is None."""
        columns = [
            {name: _plain(value) for name, value in asdict(column).items() if name != "view"} for column in self.columns
        ]
        return {
            "drift_share": self.drift_share,
            "threshold": self.threshold,
            "is_drifted": self.is_drifted,
            "drifted": list(self.drifted),
            "rows_ref": self.drift.rows_ref,
            "rows_cur": self.drift.rows_cur,
            "columns": columns,
        }

    def to_pandas(self) -> "pd.DataFrame":
        """Return one row for each feature, the worst first."""
        import pandas as pd

        return pd.DataFrame(self.to_dict()["columns"])

    def __str__(self) -> str:
        found = f": {', '.join(self.drifted)}" if self.drifted else ""
        return (
            f"{len(self.drifted)} of {len(self.columns)} features drifted "
            f"(share {self.drift_share:.2f}, threshold {self.threshold:.2f}){found}"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(item.name)}</td><td>{escape(item.drifted_by or str(item.state))}</td>"
            f"<td>{escape(item.method or item.detail)}</td><td>{_shown(item.met_score)}</td>"
            f"<td>{_shown(item.threshold)}</td><td>{_shown(item.chance)}</td></tr>"
            for item in self.columns
        )
        heads = ("feature", "drifted by", "method", "score", "threshold", "by chance")
        head = "".join(f"<th>{name}</th>" for name in heads)
        return f"<p>{escape(str(self))}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def compare(
    reference: Any,
    current: Any,
    *,
    key: str | None = None,
    label: str | None = None,
    as_of: tuple[date, date] | None = None,
    threshold: float = 0.3,
    false_alarm_rate: float = 0.01,
    min_rows: int = 100,
    rules: Mapping[str, Mapping[str, Any]] | None = None,
) -> DataComparison:
    """Compare the columns of two tables.

    A column that one table lacks, or that has another type there, counts as drifted: it is part of the denominator.

    Args:
        reference, current: a pandas or Polars frame, an Arrow or Ibis table, or the path of a parquet file.
        key: column that identifies a row; it is no feature.
        label: column that a model predicts; it is no feature either.
        as_of: days of the two tables, from which the ages of timestamps are counted. Without them a timestamp cannot
            be compared.
        threshold: drift share from which the data count as drifted, in [0, 1].
        false_alarm_rate: how often equal data may reach the threshold, in (0, 1).
        min_rows: values that a column needs in each table.
        rules: by column the keys `method` and `threshold`, as in monitors.toml.

    Returns:
        The result, the same each time for the same data.

    Raises:
        UsageError: an argument is no table, names a column that not both tables have, or the threshold is no share.
        DataError: a table has no rows or cannot be read, or there is no feature.
        ConfigurationError: another number is out of its bounds, or a rule does not fit its column.
    """
    tables = [_table(given, which) for given, which in ((reference, "reference"), (current, "current"))]
    _require_columns(tables, key=key, label=label)
    declared = _declared(tables, [name for name in (key, label) if name], with_ages=as_of is not None)
    days = as_of or (_NO_DAY, _NO_DAY)
    require_share(threshold)
    monitor = usable_monitor(
        {
            "name": "comparison",
            "feature_service": "columns",
            "entity": {"table": "rows", "key": _NO_COLUMN, "timestamp": _NO_COLUMN},
            "threshold": threshold,
            "false_alarm_rate": false_alarm_rate,
            "min_rows": min_rows,
            "on_incomparable": "count_as_drift",
            "columns": {name: dict(rule) for name, rule in (rules or {}).items()},
        },
        "the arguments of the comparison are not usable",
    )
    ref, cur = (measure_features(table, declared, day) for table, day in zip(tables, days, strict=True))
    ledger = build_ledger((ref, cur), declared, monitor)
    columns = compare_columns((ref, cur), ledger, monitor, "reference current")
    drift = DriftResult(
        as_of_ref=days[0],
        as_of_cur=days[1],
        rows_ref=ref.rows,
        rows_cur=cur.rows,
        compared_rows_ref=ref.rows,
        compared_rows_cur=cur.rows,
        columns=columns,
        level=level_of(ledger, monitor),
    )
    return DataComparison(drift, threshold)


def _table(given: Any, which: str) -> pa.Table:
    if isinstance(given, str | Path):
        table = _read_parquet(Path(given), which)
    elif isinstance(given, pa.Table):
        table = given
    elif hasattr(given, "to_pyarrow"):
        table = given.to_pyarrow()
    elif hasattr(given, "to_arrow"):
        table = given.to_arrow()
    elif hasattr(given, "columns") and hasattr(given, "iloc"):
        table = pa.Table.from_pandas(given, preserve_index=False)
    else:
        raise UsageError(
            f"{which} is of type {type(given).__name__}",
            allowed="a pandas or Polars frame, an Arrow or Ibis table, or the path of a parquet file",
        )
    if table.num_rows == 0:
        raise DataError(f"{which} has no rows", remedy="give a table with rows")
    names = table.column_names
    for at, name in enumerate(names):
        kind = table.schema.field(at).type
        if pa.types.is_dictionary(kind):
            table = table.set_column(at, name, table.column(at).cast(kind.value_type))
    return table


def _read_parquet(path: Path, which: str) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{which} cannot be read from {path}: {str(error).splitlines()[0]}",
            allowed="the path of a parquet file",
            remedy="correct the path, or read the file yourself and give the table",
        ) from error


def _require_columns(tables: Sequence[pa.Table], **named: str | None) -> None:
    for argument, name in named.items():
        if name is not None and not all(name in table.column_names for table in tables):
            both = [item for item in tables[0].column_names if item in tables[1].column_names]
            raise UsageError(f"{argument} is {name!r}, which is not a column of both tables", allowed=bounded(both))


def _declared(tables: Sequence[pa.Table], others: Sequence[str], *, with_ages: bool) -> list[DeclaredFeature]:
    """Return every column of either table that is a feature, with the type it has in the first that has it."""
    types: dict[str, pa.DataType] = {}
    for table in tables:
        for field in table.schema:
            # A column without a value has no type yet.
            if field.name not in types or pa.types.is_null(types[field.name]):
                types[field.name] = field.type
    found = [DeclaredFeature(name, "", *_typed(kind, with_ages)) for name, kind in types.items() if name not in others]
    if not found:
        raise DataError("there is no feature to compare", allowed="at least one column beside key and label")
    return found


def _typed(kind: pa.DataType, with_ages: bool) -> tuple[str, Kind]:
    types = pa.types
    if types.is_boolean(kind):
        return "BOOL", Kind.CATEGORICAL
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "FLOAT64", Kind.NUMERIC
    if types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind):
        return "STRING", Kind.CATEGORICAL
    if types.is_timestamp(kind) or types.is_date(kind):
        return "UNIX_TIMESTAMP", Kind.TIMESTAMP if with_ages else Kind.UNSUPPORTED
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = kind.value_type
        if types.is_integer(inner) or types.is_floating(inner):
            return f"Array({inner})", Kind.ARRAY
    return str(kind), Kind.UNSUPPORTED


def _plain(value: Any) -> Any:
    if isinstance(value, ColumnState):
        return str(value)
    return finite(value)


def _shown(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else ""
