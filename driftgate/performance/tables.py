"""The performance of a model on two tables, by the same functions as in a run.

The model is one that the caller has fitted, or a probe of the reference table.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from driftgate.drift.comparison import Side
from driftgate.drift.ledger import Ledger
from driftgate.drift.result import TargetDrift
from driftgate.drift.target import target_drift
from driftgate.errors import DataError, UsageError, bounded
from driftgate.features.entities import GROUP_COLUMN, MonthSize
from driftgate.features.files import write_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.features.types import DeclaredFeature, FeatureMonth
from driftgate.measures import LabelKind
from driftgate.monitors import Monitor
from driftgate.performance.bootstrap import Scored
from driftgate.performance.estimate import estimate_of
from driftgate.performance.evaluation_model import EvaluationModel, ScoredMonth, challenger_inputs, find_rows, labelled
from driftgate.performance.explain import explain
from driftgate.performance.gain import gain_of
from driftgate.performance.result import Performance, PerformanceState, not_measured
from driftgate.performance.scoring import Scoring, measure, score_months
from driftgate.profiles.build import is_number
from driftgate.profiles.profile import Profile
from driftgate.shared import Shared
from driftgate.training.scoring import score_columns
from driftgate.training.split import key_text

WHICH = ("reference", "current")


@dataclass(frozen=True)
class GivenTable:
    """One of two tables.

    Attributes:
        table: features, key and label.
        profile: what was counted of it.
        as_of: its day.
    """

    table: pa.Table
    profile: Profile
    as_of: date


def performance_of(
    given: tuple[GivenTable, GivenTable],
    declared: tuple[DeclaredFeature, ...],
    label: str,
    model: Any,
    monitor: Monitor,
    ledger: Ledger,
) -> Performance:
    """Measure a model on both tables, with the gain of retraining, the causes of a drop and its segments.

    Where the current table has no labels, the performance is estimated, as in a run.

    Args:
        given: the reference and the current table; the monitor's key is a column of both.
        declared: their features.
        label: column that the model predicts.
        model: a fitted estimator with `predict_proba`, or `predict` for a number. It is taken not to have seen the
            rows of either table. None fits a probe on a part of the reference.
        monitor: the rules.
        ledger: which features can be compared.

    Raises:
        UsageError: a key stands in two rows, the label is of another type, or the model cannot score the tables.
        DataError: the label holds NaN or infinity.
        MissingSignalError: a score is not a probability, or not a finite number.
    """
    with TemporaryDirectory(prefix="driftgate-") as name:
        folder = Path(name)
        sides = [_side(*pair, declared, label, monitor, folder) for pair in zip(given, WHICH, strict=True)]
        ref, cur = sides
        why = [_why_not(side.labels, which) for side, which in zip(sides, WHICH, strict=True)]
        without = not_measured(PerformanceState.NOT_COMPUTABLE, f"not computable: {why[0] or why[1]}")
        awaited = cur.labels.path is None
        if why[0] or (why[1] and not awaited):
            return without
        try:
            if model is None:
                scoring = score_months(None, monitor, ref, cur, ledger, Shared(folder))
            else:
                scoring = _scored(model, given, ref, cur, monitor, ledger, folder)
        except DataError as error:
            return not_measured(PerformanceState.NOT_COMPUTABLE, f"not computable: {error.received}")
        if awaited:
            scoring = replace(scoring, without=without)
        found = measure(scoring, monitor, ref, cur)
        found = replace(found, estimate=estimate_of(scoring, found, monitor, ref, cur, ledger))
        found = replace(found, gain=gain_of(scoring, found, monitor, cur, ledger))
        return explain(scoring, found, monitor, ref, cur, ledger)


def target_of(given: tuple[GivenTable, GivenTable], label: str, monitor: Monitor) -> TargetDrift:
    """Compare the labels of both tables, as in a run.

    Args:
        given, label, monitor: as for `performance_of`.

    Raises:
        UsageError: the label is neither boolean nor a number nor text.
        DataError: the label holds NaN or infinity.
    """
    with TemporaryDirectory(prefix="driftgate-") as name:
        months = []
        for item, which in zip(given, WHICH, strict=True):
            rows = item.table.num_rows
            out = Path(name) / f"labels_{which}.arrow"
            size = MonthSize(item.as_of, rows, rows)
            months.append(_labels(item.table, monitor.entity.feast_key, label, size, out))
        found = target_drift(months[0], months[1], monitor.signal_level)
    reasons = [f"{which}: {month.reason}" for month, which in zip(months, WHICH, strict=True) if month.reason]
    return replace(found, reason="; ".join(reasons)) if reasons else found


def _side(
    given: GivenTable, which: str, declared: tuple[DeclaredFeature, ...], label: str, monitor: Monitor, folder: Path
) -> Side:
    table, key, day = given.table, monitor.entity.feast_key, given.as_of
    keys = table.column(key)
    if keys.null_count or pc.count_distinct(keys).as_py() < table.num_rows:
        raise UsageError(
            f"key is {key!r}, which does not tell the rows of {which} from each other",
            allowed="a column with another value in every row",
            remedy="leave key out where rows have none, or give performance='off'",
        )
    names = [key, *(item.name for item in declared if item.name in table.column_names), *_groups(table)]
    features = FeatureMonth(day, folder / f"features_{which}.arrow", table.num_rows, declared, (), ())
    write_file(features.path, table.select(names))
    size = MonthSize(day, table.num_rows, table.num_rows)
    return Side(size, features, _labels(table, key, label, size, folder / f"labels_{which}.arrow"), given.profile)


def _groups(table: pa.Table) -> list[str]:
    """The column of the groups, where there is one."""
    return [name for name in (GROUP_COLUMN,) if name in table.column_names]


def _labels(table: pa.Table, key: str, label: str, size: MonthSize, out: Path) -> LabelMonth:
    column = table.column(label)
    there = pc.is_valid(column)
    if not pc.any(there).as_py():
        return LabelMonth(size.as_of, size.entities, 0, float("nan"), "no row has a label", None, None)
    keys, values = table.column(key).filter(there), column.filter(there)
    kind, values = _kind(values, label)
    groups = {name: table.column(name).filter(there) for name in _groups(table)}
    write_file(out, pa.table({key: keys, LABEL_COLUMN: values} | groups))
    distinct = values.unique()
    counted = values.value_counts().to_pylist() if kind is LabelKind.CATEGORICAL else []
    numbers = values.cast(pa.float64()).to_numpy() if kind is not LabelKind.CATEGORICAL else np.empty(0)
    return LabelMonth(
        size.as_of,
        size.entities,
        len(values),
        float(numbers.mean()) if kind is not LabelKind.CATEGORICAL else float("nan"),
        "",
        kind,
        out,
        constant=str(distinct[0].as_py()) if len(distinct) == 1 else "",
        classes=len(distinct) if kind is LabelKind.CATEGORICAL else 0,
        class_counts=tuple(sorted((item["values"], item["counts"]) for item in counted)),
        largest=float(np.abs(numbers).max(initial=0.0)) if kind is LabelKind.NUMERIC else 0.0,
        grouped=bool(groups),
    )


def _kind(values: pa.ChunkedArray, label: str) -> tuple[LabelKind, pa.ChunkedArray]:
    """The kind of a label and its values as a run reads them; a number that is 0 and 1 is boolean."""
    types, of = pa.types, values.type
    if types.is_boolean(of):
        return LabelKind.BOOLEAN, values.cast(pa.bool_())
    if types.is_string(of) or types.is_large_string(of):
        return LabelKind.CATEGORICAL, values.cast(pa.string())
    if not is_number(of):
        raise UsageError(f"label is {label!r} of type {of}", allowed="a column of booleans, numbers or text")
    numbers = values.cast(pa.float64(), safe=False)
    plain = numbers.to_numpy()
    if not np.isfinite(plain).all():
        raise DataError(
            f"the label {label!r} holds NaN or infinity",
            allowed="finite numbers, or nulls where there is no label",
            remedy="correct these rows",
        )
    if np.isin(plain, (0.0, 1.0)).all():
        return LabelKind.BOOLEAN, numbers.cast(pa.bool_())
    return LabelKind.NUMERIC, numbers


def _why_not(labels: LabelMonth, which: str) -> str:
    """Why a table cannot be measured, in words that name it; empty where it can."""
    if labels.reason:
        return f"{which}: {labels.reason}"
    return f"every label of {which} is {labels.constant}" if labels.constant else ""


def _scored(
    model: Any,
    given: tuple[GivenTable, GivenTable],
    ref: Side,
    cur: Side,
    monitor: Monitor,
    ledger: Ledger,
    folder: Path,
) -> Scoring:
    """Both tables scored with the caller's model, as if the reference were its validation."""
    key, kind = monitor.entity.feast_key, cur.labels.kind or ref.labels.kind
    assert kind is not None
    if ref.labels.kind is not kind:
        raise DataError(f"the label is {ref.labels.kind} in the reference and {kind} in the current table")
    features = [item.name for item in ref.features.declared]
    scores, classes = zip(*(_scores(model, item.table, features, kind) for item in given), strict=True)
    out = folder / "scores_current.arrow"
    keys = [[key_text(value) for value in item.table.column(key).to_pylist()] for item in given]
    write_file(out, pa.table({"key": keys[1]} | score_columns(scores[1], classes[1])))
    inputs = challenger_inputs(cur.features, [column.name for column in ledger.comparable])
    nobody = np.empty(0, dtype=np.str_)
    blank = Scored(nobody, np.empty(0), np.empty((0, len(classes[0])) if classes[0] else 0), kind)
    evaluation = EvaluationModel(None, ref.size.as_of, inputs, nobody, blank, classes[0])
    found = labelled(ref.features, ref.labels, key)
    rows, _ = find_rows(np.array(keys[0]), found.keys)
    validation = evaluation.scored_of(found, scores[0][rows])
    return Scoring(replace(evaluation, validation=validation), ScoredMonth(out), None, None)


def _scores(
    model: Any, table: pa.Table, features: Sequence[str], kind: LabelKind
) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    """The scores of every row, and the classes that they are for where the label has classes."""
    names = [str(name) for name in getattr(model, "feature_names_in_", features)]
    method = "predict" if kind is LabelKind.NUMERIC else "predict_proba"
    missing = [name for name in names if name not in table.column_names]
    if missing or not hasattr(model, method):
        what = f"reads columns that are absent: {bounded(missing)}" if missing else f"has no {method}"
        raise UsageError(
            f"model {what}",
            allowed=f"a fitted estimator that has {method} for a {kind} label and reads {bounded(features)}",
        )
    found = np.asarray(getattr(model, method)(table.select(names).to_pandas()), dtype=np.float64)
    if kind is LabelKind.NUMERIC:
        return found, ()
    classes = [str(item) for item in getattr(model, "classes_", range(found.shape[1]))]
    if kind is LabelKind.CATEGORICAL:
        return found, tuple(classes)
    if found.shape != (table.num_rows, 2):
        raise UsageError(
            f"predict_proba of model gives {found.shape}", allowed=f"{(table.num_rows, 2)} for a boolean label"
        )
    return found[:, 1], ()
