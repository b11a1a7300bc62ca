"""The comparison of two months: it puts ledger, scores and the share of missing values together in one result.

Scores come from what was counted of each column. Evidently draws the report, and its own scores must be equal.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from driftgate.drift.ledger import Ledger, read_table
from driftgate.drift.methods import choose_method
from driftgate.drift.result import ColumnResult, ColumnState, DriftResult, TargetDrift, is_drift, is_p_value
from driftgate.drift.significance import (
    column_level,
    permutation_test,
    pooled_columns,
    proportions_p_value,
    seed_of,
)
from driftgate.errors import MissingSignalError
from driftgate.features.entities import MonthSize
from driftgate.features.files import read_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.features.types import FeatureMonth, Kind
from driftgate.measures import LabelKind
from driftgate.monitors import Monitor
from driftgate.profiles.build import count_column
from driftgate.profiles.grid import Form
from driftgate.profiles.profile import Column, NumberColumn
from driftgate.profiles.scores import score

if TYPE_CHECKING:
    import pandas as pd

    from driftgate.drift.evidently_adapter import ColumnTest

# Evidently sums and squares what it is given: beyond this its plots overflow.
_LARGEST_DRAWN = 1e100
# How far Evidently's score of the same values may be from ours, in parts of the score.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Comparison:
    """The result, and Evidently's report of it.

    Attributes:
        html, json: the report as a page and as a document.
        snapshot: what an Evidently workspace keeps.
    """

    drift: DriftResult
    html: str
    json: str
    snapshot: str


@dataclass(frozen=True)
class Side:
    """One month of a comparison."""

    size: MonthSize
    features: FeatureMonth
    labels: LabelMonth


def compare(
    ref: Side, cur: Side, ledger: Ledger, monitor: Monitor, scores: tuple[Path, Path] | None = None
) -> Comparison:
    """Compare every comparable feature, the label where both periods have one, and the model's scores where given.

    Args:
        ref, cur: both months.
        ledger: what can be compared, and how.
        monitor: thresholds.
        scores: for each month an Arrow IPC file with a column `score`.

    Raises:
        MissingSignalError: Evidently gives no usable score for a column.
    """
    from driftgate.drift.evidently_adapter import ColumnTest, run_report

    tests = [ColumnTest(item.name, ledger.kinds[item.name], item.method, item.threshold) for item in ledger.comparable]
    tables = [read_table(side.features) for side in (ref, cur)]
    frames = [_frame(table, tests) for table in tables]
    label, prediction = _add_label(frames, ref.labels, cur.labels, monitor), _add_scores(frames, scores)
    extra_columns = [test for test in (label, prediction) if test]
    report = run_report(frames[0], frames[1], tests, extra_columns, monitor.threshold)
    pair = f"{ref.size.as_of} {cur.size.as_of}"
    drift = DriftResult(
        as_of_ref=ref.size.as_of,
        as_of_cur=cur.size.as_of,
        rows_ref=ref.size.entities,
        rows_cur=cur.size.entities,
        compared_rows_ref=ref.features.rows,
        compared_rows_cur=cur.features.rows,
        columns=compare_columns((tables[0], tables[1]), ledger, monitor, pair, report.scores),
        excluded=ledger.excluded,
        prediction=_decide_prediction(prediction, report.scores, scores, monitor, pair),
        level=level_of(ledger, monitor),
    )
    return Comparison(drift, report.html, report.json, report.snapshot)


def compare_columns(
    tables: tuple[pa.Table, pa.Table],
    ledger: Ledger,
    monitor: Monitor,
    pair: str,
    drawn: Mapping[str, float] | None = None,
) -> tuple[ColumnResult, ...]:
    """Score every comparable column of two tables and say which drift, in the order of the ledger.

    Args:
        tables: reference and current rows, as `read_table` gives them.
        ledger: what can be compared, and how.
        monitor: thresholds.
        pair: what is compared; the permutations of the same pair are the same.
        drawn: Evidently's score of each comparable column, which must be ours; None where it drew no report.

    Raises:
        MissingSignalError: a score of Evidently is another than that of the counts.
    """
    level, columns = level_of(ledger, monitor), []
    for item in ledger.columns:
        if item.state is ColumnState.COMPARED:
            counted = [_counted(table.column(item.name), ledger.kinds[item.name], item.name) for table in tables]
            seed = seed_of(monitor.name, pair, item.name)
            score_drawn = drawn[item.name] if drawn is not None else None
            columns.append(_decide_column(item, counted, score_drawn, monitor, level, seed))
        else:
            columns.append(replace(item, drifted=True, drifted_by="not comparable"))
    return tuple(columns)


def level_of(ledger: Ledger, monitor: Monitor) -> float:
    """Return the level at which each column is tested, see `significance.column_level`."""
    return column_level(monitor.signal_level, monitor.threshold, len(ledger.columns))


def target_drift(ref: LabelMonth, cur: LabelMonth) -> TargetDrift:
    """Return |rate_cur - rate_ref|, of a numeric label |mean_cur - mean_ref|; NaN with the reason."""
    reasons = [f"{month.as_of}: {month.reason}" for month in (ref, cur) if month.reason]
    if not reasons and LabelKind.CATEGORICAL in (ref.kind, cur.kind):
        reasons = ["the label has classes, and neither a rate nor a mean"]
    numeric = not reasons and LabelKind.NUMERIC in (ref.kind, cur.kind)
    return TargetDrift(
        ref=ref.mean,
        cur=cur.mean,
        labelled_ref=ref.labelled / ref.entities,
        labelled_cur=cur.labelled / cur.entities,
        reason="; ".join(reasons),
        pending=cur.pending and not ref.reason,
        cur_pending=cur.pending,
        p_value=math.nan if reasons else _label_p_value(ref, cur),
        spread_ref=_spread(ref) if numeric else math.nan,
    )


def _spread(month: LabelMonth) -> float:
    """Standard deviation of the compared labels, in parts of the largest, whose square may be too large for a float."""
    assert month.path is not None
    values = read_file(month.path).column(LABEL_COLUMN).cast(pa.float64()).to_numpy()
    scale = float(abs(values).max(initial=0.0)) or 1.0
    return scale * float((values / scale).std())


def _label_p_value(ref: LabelMonth, cur: LabelMonth) -> float:
    """Fisher's exact test of two rates; of two means Welch's test with the normal distribution, for many labels."""
    if ref.kind is cur.kind is LabelKind.BOOLEAN:
        hits = [round(month.mean * month.labelled) for month in (ref, cur)]
        return proportions_p_value(hits[0], ref.labelled, hits[1], cur.labelled)
    assert ref.path is not None
    assert cur.path is not None
    labels = [read_file(path).column(LABEL_COLUMN).cast(pa.float64()) for path in (ref.path, cur.path)]
    error = math.sqrt(sum(pa.compute.variance(column, ddof=1).as_py() / len(column) for column in labels))
    if error == 0.0:
        return float(ref.mean == cur.mean)
    return math.erfc(abs(cur.mean - ref.mean) / error / math.sqrt(2))


def _decide_prediction(
    test: "ColumnTest | None",
    drawn: dict[str, float],
    scores: tuple[Path, Path] | None,
    monitor: Monitor,
    pair: str,
) -> ColumnResult | None:
    if test is None or scores is None:
        return None
    counted = [_counted(_predicted(path), test.kind, test.name) for path in scores]
    item = ColumnResult(
        name=test.name,
        view="",
        dtype="FLOAT64" if test.kind is Kind.NUMERIC else "STRING",
        state=ColumnState.COMPARED,
        values_ref=counted[0].count,
        values_cur=counted[1].count,
        missing_ref=0.0,
        missing_cur=0.0,
        method=test.method,
        threshold=test.threshold,
    )
    seed = seed_of(monitor.name, pair, test.name)
    return _decide_column(item, counted, drawn[test.name], monitor, monitor.signal_level, seed)


def _counted(column: pa.ChunkedArray, kind: Kind, name: str) -> Column:
    """Count the values of a column that the ledger has found comparable."""
    # Timestamps, whose ages depend on the month, are numbers by now.
    counted = count_column(column, Form.NUMBER if kind is Kind.NUMERIC else Form.CATEGORY, date.min)
    assert counted is not None, name
    return counted


def _decide_column(
    item: ColumnResult, counted: list[Column], drawn: float | None, monitor: Monitor, level: float, seed: int
) -> ColumnResult:
    """Return the column with its score, and whether it drifts: beyond its threshold, and by more than chance explains.

    Args:
        counted: the column in the reference and in the current month.
        drawn: Evidently's score of it; None where it drew no report.
        level: of the column's tests together.
        seed: of the permutations.
    """
    missing = [column.missing for column in counted]
    rows = [column.missing + column.count for column in counted]
    # Two questions share the level; without a missing value there is one.
    level = level / 2 if any(missing) else level
    item = _score_column(item, counted, drawn, level, seed)
    by = []
    reached = is_drift(item.method, item.met_score, item.threshold)
    if reached and (is_p_value(item.method) or item.p_value <= level):
        by.append("values")
    # Rounding can put a change that equals the threshold a bit below it, because two shares are subtracted.
    moved = abs(item.missing_change) >= monitor.missing_threshold - 1e-9
    if moved and proportions_p_value(missing[0], rows[0], missing[1], rows[1]) <= level:
        by.append("missing share")
    return replace(item, drifted=bool(by), drifted_by=" and ".join(by))


def _score_column(
    item: ColumnResult, counted: list[Column], drawn: float | None, level: float, seed: int
) -> ColumnResult:
    ref, cur = counted
    found = score(item.method, ref, cur)
    clipped = any(_is_clipped(column) for column in counted)
    if drawn is not None and clipped:
        item = replace(item, detail=f"Evidently's report shows values beyond {_LARGEST_DRAWN:g} as {_LARGEST_DRAWN:g}")
    elif drawn is not None and not math.isclose(found.value, drawn, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        raise MissingSignalError(
            f"Evidently's {item.method} of {item.name} is {drawn!r}, and the same from the counts is {found.value!r}",
            allowed=f"scores that are equal to {_TOLERANCE:g}",
            remedy="this Evidently release may compute it in another way; install the versions in requirements.lock",
        )
    item = replace(item, score=found.value, corrected_score=found.corrected)
    if is_p_value(item.method):
        return item
    pooled = pooled_columns(item.method, ref, cur)
    tested = permutation_test(pooled, level, is_drift(item.method, item.met_score, item.threshold), seed)
    return replace(item, p_value=tested.p_value, chance=tested.chance)


def _is_clipped(column: Column) -> bool:
    if not isinstance(column, NumberColumn) or column.count == 0:
        return False
    return bool(max(abs(column.least), abs(column.most)) > _LARGEST_DRAWN)


def _frame(table: pa.Table, tests: "list[ColumnTest]") -> "pd.DataFrame":
    """Return the tested columns as Evidently compares them: float64 numbers, str categories, missing as NaN or None.

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
    return column.to_pandas().astype(object)


def _drawable(values: Any) -> Any:
    import numpy as np

    return np.clip(np.where(np.isfinite(values), values, math.nan), -_LARGEST_DRAWN, _LARGEST_DRAWN)


def _add_label(frames: "list[pd.DataFrame]", ref: LabelMonth, cur: LabelMonth, monitor: Monitor) -> "ColumnTest | None":
    """Add the label to both frames as a column; return None where either period has no labels."""
    import pandas as pd

    from driftgate.drift.evidently_adapter import ColumnTest

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


def _add_scores(frames: "list[pd.DataFrame]", scores: tuple[Path, Path] | None) -> "ColumnTest | None":
    """Add the model's scores, or its classes, to both frames as a column with a name that no feature has."""
    from driftgate.drift.evidently_adapter import ColumnTest

    if scores is None:
        return None
    name = "prediction"
    while name in frames[0].columns:
        name += "_"
    columns = [_predicted(path) for path in scores]
    kind = Kind.CATEGORICAL if pa.types.is_string(columns[0].type) else Kind.NUMERIC
    for position, column in enumerate(columns):
        frames[position] = frames[position].assign(**{name: _values(column, kind)})
    distinct = pa.compute.count_distinct(pa.chunked_array([*columns[0].chunks, *columns[1].chunks])).as_py()
    method, threshold = choose_method(name, kind, distinct, None)
    return ColumnTest(name, kind, method, threshold)


def _predicted(path: Path) -> pa.ChunkedArray:
    """The scores in a file, or the classes where there are such."""
    table = read_file(path)
    return table.column("class" if "class" in table.column_names else "score")
