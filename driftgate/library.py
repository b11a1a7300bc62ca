"""Driftgate as a library: two tables in; their drift, and how well a model does on them, out.

It needs no database, no Feast and no Prefect. The monitor uses the same functions; what it adds is where the tables
come from, and what follows.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from driftgate.drift.comparison import compare_columns, level_of
from driftgate.drift.groups import GroupedRows, grouped_rows
from driftgate.drift.ledger import build_ledger
from driftgate.drift.result import ColumnResult, ColumnState, DriftResult, TargetDrift, finite
from driftgate.drift.tables import declared_features, read_given, require_columns, with_groups, with_label
from driftgate.features.entities import GROUP_COLUMN
from driftgate.features.types import DeclaredFeature
from driftgate.monitors import Monitor, require_share, usable_monitor
from driftgate.performance.interval import bounds
from driftgate.performance.result import Performance, PerformanceState, not_measured
from driftgate.performance.tables import GivenTable, performance_of, target_of
from driftgate.profiles.build import as_numbers, measure_features
from driftgate.reports.text import causes_text, estimate_text, label_text, no_estimate_text, segments_text
from driftgate.store.performance_record import PerformanceRecord
from driftgate.store.record_parts import TargetRecord

if TYPE_CHECKING:
    import pandas as pd

_NO_DAY = date(1970, 1, 1)
_NO_COLUMN = "no column: what is no feature is left out before"
_ROW = "number of the row"


@dataclass(frozen=True)
class DataComparison:
    """Two tables compared.

    Attributes:
        drift: every feature with its state, score and p-value.
        performance: of the model, with the gain of retraining, the causes of a drop and its segments; an estimate
            where the current table has no labels yet; `off` without a label.
        rules: what they were compared by.
        target: how far the label moved; None without a label.
    """

    drift: DriftResult
    performance: Performance
    rules: Monitor
    target: TargetDrift | None = None

    @property
    def threshold(self) -> float:
        """The drift share from which the data count as drifted."""
        return self.rules.threshold

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
        """Return the result in JSON's types, the performance as in a decision record; not computable is None."""
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
            "target": TargetRecord.of(self.target, self.rules).model_dump(mode="json") if self.target else None,
            "performance": PerformanceRecord.of(self.performance, self.rules).model_dump(mode="json"),
        }

    def to_pandas(self) -> "pd.DataFrame":
        """Return one row for each feature, the worst first."""
        import pandas as pd

        return pd.DataFrame(self.to_dict()["columns"])

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        names = f": {', '.join(self.drifted)}" if self.drifted else ""
        yield (
            f"{len(self.drifted)} of {len(self.columns)} features drifted "
            f"(share {self.drift_share:.2f}, threshold {self.threshold:.2f}){names}"
        )
        if self.target is not None:
            yield label_text(self.target)
        found = self.performance
        if found.state is PerformanceState.OFF:
            return
        if not found.measured:
            yield f"performance {found.reason or found.state}"
            if text := estimate_text(found.estimate) if found.estimate.computed else no_estimate_text(found.estimate):
                yield text
            return
        rule = found.rule
        yield (
            f"{rule.short} {rule.text(found.change.ref)} then, {rule.text(found.change.cur)} now, "
            f"a {rule.drop_word} of {found.drop:z.2f} {bounds(*found.drop_interval)}"
        )
        yield f"gain in {rule.unit} of a model trained on the current table: {found.gain.text}"
        if found.causes.split:
            yield causes_text(found.causes)
        if found.segments.searched:
            yield segments_text(found)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(item.name)}</td><td>{escape(item.drifted_by or str(item.state))}</td>"
            f"<td>{escape(item.method or item.detail)}</td><td>{_shown(item.met_score)}</td>"
            f"<td>{_shown(item.threshold)}</td><td>{_shown(item.chance)}</td></tr>"
            for item in self.columns
        )
        heads = ("feature", "drifted by", "method", "score", "threshold", "by chance")
        head = "".join(f"<th>{name}</th>" for name in heads)
        said = "".join(f"<p>{escape(line)}</p>" for line in self._lines())
        return f"{said}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def compare(
    reference: Any,
    current: Any,
    *,
    key: str | None = None,
    label: str | None = None,
    group: str | None = None,
    model: Any = None,
    segments: Sequence[str] = (),
    performance: str = "auto",
    as_of: tuple[date, date] | None = None,
    threshold: float = 0.3,
    false_alarm_rate: float = 0.01,
    min_rows: int = 100,
    rules: Mapping[str, Mapping[str, Any]] | None = None,
) -> DataComparison:
    """Compare the columns of two tables, and how well a model predicts their labels.

    A column that one table lacks, or that has another type there, counts as drifted: it is part of the denominator.

    Args:
        reference: a pandas or Polars frame, an Arrow or Ibis table, or the path of a parquet file.
        current: the table that is held against it, likewise.
        key: column that identifies a row; it is no feature. A row of the same key in both tables is the same entity.
        label: column that a model predicts; it is no feature either. Without it there is no performance. Where the
            current table lacks it, or no row has one yet, the performance is estimated: an estimate cannot see a
            change of what the features mean, and triggers nothing.
        group: column that says which rows depend on each other, such as the day of a flight; it is no feature. Rows of
            one group are split, resampled and dealt out together.
        model: a fitted estimator that has seen neither table, with `predict_proba`, or `predict` for a number. By
            default a probe, which is fitted on four fifths of the reference and measured on the rest.
        segments: features whose values are the segments in which a drop is looked for; by default all.
        performance: `auto`, or `off` for the drift alone, which is much quicker.
        as_of: days of the two tables, from which the ages of timestamps are counted. Without them a timestamp cannot
            be compared.
        threshold: drift share from which the data count as drifted, in [0, 1].
        false_alarm_rate: how often equal data may reach the threshold, in (0, 1).
        min_rows: values that a column needs in each table, and entities that a performance and a segment need.
        rules: by column the keys `method` and `threshold`, as in monitors.toml.

    Returns:
        The result, the same each time for the same data.

    Raises:
        UsageError: an argument is no table, names a column that not both tables have (of the label: that the reference
            lacks), or the threshold is no share; a key stands in two rows; the model cannot score the tables.
        DataError: a table has no rows or cannot be read, there is no feature, or a label is not finite.
        ConfigurationError: another number is out of its bounds, a rule does not fit its column, or a segment is no
            feature that divides.
        MissingSignalError: a score of the model is not a probability, or not a finite number.
    """
    tables = [read_given(given, which) for given, which in ((reference, "reference"), (current, "current"))]
    require_columns(tables, key=key)
    if label is not None:
        tables = with_label(tables, label)
    if group is not None:
        tables = with_groups(tables, group)
    others = [GROUP_COLUMN, *(name for name in (key, label, group) if name)]
    declared = declared_features(tables, others, with_ages=as_of is not None)
    days = as_of or (_NO_DAY, _NO_DAY)
    require_share(threshold)
    monitor = usable_monitor(
        {
            "name": "comparison",
            "feature_service": "columns",
            "entity": {"table": "rows", "key": key or _ROW, "timestamp": _NO_COLUMN, "group": group},
            "threshold": threshold,
            "false_alarm_rate": false_alarm_rate,
            "min_rows": min_rows,
            "performance": performance,
            "segments": list(segments),
            "on_incomparable": "count_as_drift",
            "columns": {name: dict(rule) for name, rule in (rules or {}).items()},
        },
        "the arguments of the comparison are not usable",
    )
    ref, cur = (measure_features(table, declared, day) for table, day in zip(tables, days, strict=True))
    ledger = build_ledger((ref, cur), declared, monitor)
    groups = _grouped(tables, declared, days) if group else None
    columns = compare_columns((ref, cur), ledger, monitor, "reference current", groups)
    drift = DriftResult(
        as_of_ref=days[0],
        as_of_cur=days[1],
        rows_ref=ref.rows,
        rows_cur=cur.rows,
        compared_rows_ref=ref.rows,
        compared_rows_cur=cur.rows,
        columns=columns,
        level=level_of(ledger, monitor),
        groups_ref=groups.groups_ref if groups else 0,
        groups_cur=groups.groups_cur if groups else 0,
    )
    found, target = not_measured(PerformanceState.OFF, ""), None
    if label is not None:
        pairs = zip(tables if key else _numbered(tables), (ref, cur), days, strict=True)
        first, second = (GivenTable(*item) for item in pairs)
        target = target_of((first, second), label, monitor)
        if performance != "off":
            found = performance_of((first, second), declared, label, model, monitor, ledger)
    return DataComparison(drift, found, monitor, target)


def _grouped(
    tables: Sequence[pa.Table], declared: Sequence[DeclaredFeature], days: tuple[date, date]
) -> GroupedRows | None:
    """The rows with their groups, arrays and timestamps as the numbers they stand for; None without groups."""
    found = [as_numbers(table, declared, day) for table, day in zip(tables, days, strict=True)]
    return grouped_rows(found[0], found[1])


def _numbered(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """The tables with a key of their own, which no row of the one has in common with the other."""
    starts = (0, tables[0].num_rows)
    return [
        table.append_column(_ROW, pa.array(np.arange(start, start + table.num_rows)))
        for table, start in zip(tables, starts, strict=True)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, ColumnState):
        return str(value)
    return finite(value)


def _shown(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else ""
