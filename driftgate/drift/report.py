"""What Evidently's report is drawn from: the rows of two months, or of a sample of large ones."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from driftgate.drift.ledger import Ledger, read_table
from driftgate.drift.methods import choose_method
from driftgate.drift.result import ColumnState, DriftResult
from driftgate.features.files import read_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.features.types import FeatureMonth, Kind
from driftgate.measures import LabelKind
from driftgate.monitors import Monitor

if TYPE_CHECKING:
    import pandas as pd

LARGEST_DRAWN = 1e100
"""Evidently sums and squares what it is given: beyond this its plots overflow."""
WIDEST_DRAWN = 100
MOST_DRAWN = 50
"""A report of more than so many features takes minutes, and no one reads it: the worst `MOST_DRAWN` are drawn."""


@dataclass(frozen=True)
class ColumnTest:
    """How one column is compared."""

    name: str
    kind: Kind
    method: str
    threshold: float


@dataclass(frozen=True)
class DrawnReport:
    """Evidently's report.

    Attributes:
        scores: drift score of each column.
        html, json: the report as a page and as a document.
        snapshot: what an Evidently workspace keeps.
    """

    scores: Mapping[str, float]
    html: str
    json: str
    snapshot: str


def draw(
    features: tuple[FeatureMonth, FeatureMonth],
    labels: tuple[LabelMonth, LabelMonth],
    ledger: Ledger,
    monitor: Monitor,
    scores: tuple[Path, Path] | None = None,
    only: Collection[str] | None = None,
) -> DrawnReport:
    """Draw the report of every comparable feature, of the label where both periods have one, and of given scores.

    Args:
        features, labels: of the reference and of the current month.
        ledger: what can be compared, and how.
        monitor: names the label, and the drift share that the page shows.
        scores: for each month an Arrow IPC file with a column `score`.
        only: the features to draw; all that can be compared where it is None.

    Raises:
        MissingSignalError: Evidently gives no usable score for a column.
    """
    from driftgate.drift.evidently_adapter import run_report

    tests = [
        ColumnTest(item.name, ledger.kinds[item.name], item.method, item.threshold)
        for item in ledger.comparable
        if only is None or item.name in only
    ]
    frames = [_frame(read_table(month), tests) for month in features]
    label = _add_label(frames, *labels, monitor)
    prediction = _add_scores(frames, scores, prediction_name(ledger, monitor))
    return run_report(frames[0], frames[1], tests, [test for test in (label, prediction) if test], monitor.threshold)


def is_wide(ledger: Ledger) -> bool:
    """Return whether a report draws only some of the features."""
    return len(ledger.comparable) > WIDEST_DRAWN


def worst_names(drift: DriftResult) -> tuple[str, ...]:
    """Return the features that a report of a wide service draws: those furthest beyond their thresholds."""
    compared = [column.name for column in drift.worst_first if column.state is ColumnState.COMPARED]
    return tuple(compared[:MOST_DRAWN])


def prediction_name(ledger: Ledger, monitor: Monitor) -> str:
    """Return a name for the model's scores that neither a feature nor the label has."""
    name, taken = "prediction", {item.name for item in ledger.columns}
    taken |= {monitor.label.column} if monitor.label else set()
    while name in taken:
        name += "_"
    return name


def _frame(table: pa.Table, tests: list[ColumnTest]) -> "pd.DataFrame":
    """Return the tested columns as Evidently compares them: float64 numbers, categories of text, missing as NaN.

    Evidently skips pandas extension types without a warning, so nullable integers and booleans are converted.
    """
    import pandas as pd

    return pd.DataFrame({test.name: _values(table.column(test.name), test.kind) for test in tests})


def _values(column: pa.ChunkedArray, kind: Kind) -> Any:
    if kind is Kind.NUMERIC:
        # Integers beyond 2^53 are rounded, which changes no score visibly; a safe cast would refuse them.
        values = column.cast(pa.float64(), safe=False).to_numpy()
        return _drawable(values)
    if pa.types.is_boolean(column.type):
        column = pa.compute.if_else(column, "True", "False")
    # Evidently counts the values of a column a dozen times, and those that are numbered in half of the time.
    return column.combine_chunks().dictionary_encode().to_pandas()


def _drawable(values: Any) -> Any:
    import numpy as np

    return np.clip(np.where(np.isfinite(values), values, math.nan), -LARGEST_DRAWN, LARGEST_DRAWN)


def _add_label(frames: "list[pd.DataFrame]", ref: LabelMonth, cur: LabelMonth, monitor: Monitor) -> ColumnTest | None:
    """Add the label to both frames as a column; return None where either period has no labels."""
    import pandas as pd

    if ref.path is None or cur.path is None or monitor.label is None:
        return None
    kind = Kind.NUMERIC if LabelKind.NUMERIC in (ref.kind, cur.kind) else Kind.CATEGORICAL
    columns = [read_file(path).column(LABEL_COLUMN) for path in (ref.path, cur.path)]
    if min(map(len, columns)) < 2:
        return None
    distinct = pa.compute.count_distinct(pa.chunked_array([*columns[0].chunks, *columns[1].chunks])).as_py()
    method, threshold = choose_method("label", kind, distinct, None)
    name = monitor.label.column
    for position, column in enumerate(columns):
        labels = pd.Series(_values(column, kind)).reindex(range(len(frames[position])))
        frames[position] = frames[position].assign(**{name: labels})
    return ColumnTest(name, kind, method, threshold)


def _add_scores(frames: "list[pd.DataFrame]", scores: tuple[Path, Path] | None, name: str) -> ColumnTest | None:
    """Add the model's scores, or its classes, to both frames as a column."""
    if scores is None:
        return None
    columns = [predicted(path) for path in scores]
    kind = prediction_kind(columns)
    for position, column in enumerate(columns):
        frames[position] = frames[position].assign(**{name: _values(column, kind)})
    distinct = pa.compute.count_distinct(pa.chunked_array([*columns[0].chunks, *columns[1].chunks])).as_py()
    method, threshold = choose_method(name, kind, distinct, None)
    return ColumnTest(name, kind, method, threshold)


def predicted(path: Path) -> pa.ChunkedArray:
    """Return the scores in a file, or the classes where there are such."""
    table = read_file(path)
    return table.column("class" if "class" in table.column_names else "score")


def prediction_kind(columns: Sequence[pa.ChunkedArray]) -> Kind:
    """Return how scores are compared: classes by their frequencies, else as numbers."""
    return Kind.CATEGORICAL if pa.types.is_string(columns[0].type) else Kind.NUMERIC
