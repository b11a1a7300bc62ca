"""A probe, what it has seen, and how it is held against the current month."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from driftgate.drift.ledger import read_table
from driftgate.errors import DataError, MissingSignalError, WrongScoresError
from driftgate.features.files import write_file
from driftgate.features.labels import LabelMonth
from driftgate.features.types import FeatureMonth
from driftgate.measures import LabelKind
from driftgate.performance.bootstrap import Scored
from driftgate.performance.evaluate import evaluate, why_not
from driftgate.performance.evaluation_model import EvaluationModel, fit_probe, labelled, score_with
from driftgate.performance.result import PerformanceState
from driftgate.training.model import TrainedModel
from driftgate.training.scoring import score_month
from driftgate.training.split import is_validation
from tests.performance.months import FEB, JAN, KEY, monitor, month

NAMES = ("usage", "count", "plan", "paperless")


def test_a_probe_learns_on_four_fifths_and_is_held_against_the_rest(tmp_path: Path) -> None:
    features, labels = month(tmp_path, JAN)
    evaluation, model = fit_probe(features, labels, KEY, NAMES)
    assert evaluation.version is None and evaluation.trained_on == JAN and evaluation.features == NAMES
    assert not set(evaluation.seen) & set(evaluation.validation.keys)
    assert len(evaluation.seen) + len(evaluation.validation.keys) == 1500
    assert all(is_validation(key, 42) for key in evaluation.validation.keys)
    scores = score_with(evaluation, model, features, KEY, tmp_path / "scores.arrow")
    keys, values = scores.read()
    assert keys.tolist() == read_table(features).column(KEY).to_pylist()
    by_key = dict(zip(keys.tolist(), values.tolist(), strict=True))
    assert [by_key[key] for key in evaluation.validation.keys.tolist()] == evaluation.validation.scores.tolist()


@pytest.mark.parametrize("keys", [None, list(range(1500))], ids=["text", "numbers"])
def test_labels_meet_their_rows_whatever_the_order(tmp_path: Path, keys: list[object] | None) -> None:
    features, labels = month(tmp_path, JAN, keys=keys, labelled=0.8)
    entities = labelled(features, labels, KEY)
    assert entities.table.num_rows == len(entities.keys) == len(entities.values) == 1200
    from driftgate.features.files import read_file

    assert labels.path is not None
    answers = read_file(labels.path)
    by_key = dict(zip(map(str, answers.column(KEY).to_pylist()), answers.column("label").to_pylist(), strict=True))
    assert [by_key[key] for key in entities.keys.tolist()] == [bool(value) for value in entities.values]
    assert [str(key) for key in entities.table.column(KEY).to_pylist()] == entities.keys.tolist()


def test_the_same_relation_is_no_fall_and_another_is(tmp_path: Path) -> None:
    ref = month(tmp_path, JAN, seed=1)
    evaluation, model = fit_probe(*ref, KEY, NAMES)
    found = {}
    for name, strength in (("same", 2.0), ("gone", 0.0), ("turned", -2.0)):
        cur = month(tmp_path, FEB, seed=2, strength=strength)
        scores = score_with(evaluation, model, cur[0], KEY, tmp_path / "scores.arrow")
        found[name] = evaluate(evaluation, scores, ref, cur, monitor())
    assert found["same"].state is PerformanceState.MEASURED
    low, high = found["same"].drop_interval
    assert low < 0.05 and low <= found["same"].drop <= high
    assert found["gone"].drop_interval[0] > 0.2
    assert found["turned"].change.cur < 0.3
    assert found["gone"].relations[0].name == "usage"
    assert found["gone"].relations[0].lost > 0.2


def test_users_of_the_training_are_left_out(tmp_path: Path) -> None:
    ref = month(tmp_path, JAN, seed=1)
    evaluation, model = fit_probe(*ref, KEY, NAMES)
    keys: list[object] = [f"u{n}" for n in range(1000)] + [f"new{n}" for n in range(500)]
    cur = month(tmp_path, FEB, seed=2, keys=keys)
    scores = score_with(evaluation, model, cur[0], KEY, tmp_path / "scores.arrow")
    found = evaluate(evaluation, scores, ref, cur, monitor())
    unseen = set(map(str, keys)) - set(evaluation.seen.tolist())
    assert found.users_cur == len(unseen)
    assert 500 < found.users_cur < 500 + 300
    assert found.users_ref == len(evaluation.validation.keys)


def test_too_few_users_or_one_class_is_no_number(tmp_path: Path) -> None:
    ref = month(tmp_path, JAN, seed=1)
    evaluation, model = fit_probe(*ref, KEY, NAMES)
    cur = month(tmp_path, FEB, seed=2)
    scores = score_with(evaluation, model, cur[0], KEY, tmp_path / "scores.arrow")
    few = evaluate(evaluation, scores, ref, cur, monitor(min_rows=400))
    assert few.state is PerformanceState.NOT_COMPUTABLE
    assert "400 and both classes are needed" in few.reason
    one_class = Scored(
        evaluation.validation.keys, np.zeros(len(evaluation.validation.keys)), evaluation.validation.scores
    )
    evaluation = EvaluationModel("1", JAN, evaluation.inputs, evaluation.seen, one_class)
    assert evaluate(evaluation, scores, ref, cur, monitor()).state is PerformanceState.NOT_COMPUTABLE


def test_a_view_without_news_is_scored_and_left_to_the_ledger(tmp_path: Path) -> None:
    features, labels = month(tmp_path, JAN)
    evaluation, model = fit_probe(features, labels, KEY, NAMES)
    stale = replace(features, stale_views=("v",))
    assert len(score_with(evaluation, model, stale, KEY, tmp_path / "scores.arrow").read()[1]) == 1500


def test_what_cannot_be_scored_is_an_error(tmp_path: Path) -> None:
    features, labels = month(tmp_path, JAN)
    evaluation, model = fit_probe(features, labels, KEY, NAMES)
    out, table = tmp_path / "scores.arrow", read_table(features)

    def changed(name: str, table: pa.Table) -> FeatureMonth:
        write_file(tmp_path / name, table)
        return replace(features, path=tmp_path / name)

    with pytest.raises(DataError, match="absent: usage"):
        score_with(evaluation, model, changed("less", table.drop_columns(["usage"])), KEY, out)
    words = table.set_column(table.column_names.index("usage"), "usage", pa.array(["many"] * table.num_rows))
    with pytest.raises(DataError, match="usage is string in its source"):
        score_with(evaluation, model, changed("words", words), KEY, out)


@pytest.mark.parametrize("score", [math.nan, -0.1, 1.5])
def test_scores_that_are_no_probabilities_are_no_signal(score: float, tmp_path: Path) -> None:
    class Broken(TrainedModel):
        def scores(self, columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
            return np.full(len(columns["usage"]), score)

    features, labels = month(tmp_path, JAN)
    evaluation, model = fit_probe(features, labels, KEY, NAMES)
    broken, out = Broken("m", "3", model.features, model.pipeline), tmp_path / "scores.arrow"
    with pytest.raises(MissingSignalError, match=f"m version 3 gave 1500 scores .* such as {score}") as caught:
        score_with(evaluation, broken, features, KEY, out)
    assert "driftgate rollback" in caught.value.remedy
    with pytest.raises(WrongScoresError, match="no probabilities"):
        score_month(broken, evaluation.inputs, features, KEY, out)


LABELS = LabelMonth(JAN, 100, 100, 0.3, "", LabelKind.BOOLEAN, Path("x"))
CLASSES = replace(LABELS, kind=LabelKind.CATEGORICAL, mean=math.nan, classes=3)
PENDING = replace(LABELS, as_of=FEB, mean=math.nan, reason="pending, 43% labelled", path=None, pending=True)


@pytest.mark.parametrize(
    ("ref", "cur", "champion", "state", "words"),
    [
        (LABELS, replace(LABELS, as_of=FEB), False, None, ""),
        (LABELS, PENDING, False, PerformanceState.PENDING, "pending, 43% labelled"),
        (LABELS, PENDING, True, PerformanceState.PENDING, "pending, 43% labelled"),
        (replace(PENDING, as_of=JAN), LABELS, True, None, ""),
        (replace(PENDING, as_of=JAN), LABELS, False, PerformanceState.NOT_COMPUTABLE, "2024-01-31: pending"),
        (LABELS, replace(LABELS, kind=LabelKind.NUMERIC), True, None, ""),
        (LABELS, replace(LABELS, constant="false"), True, PerformanceState.NOT_COMPUTABLE, "2024-01-31 is false"),
        (LABELS, replace(LABELS, constant="8.25"), True, PerformanceState.NOT_COMPUTABLE, "2024-01-31 is 8.25"),
        (
            LABELS,
            replace(LABELS, largest=1.7e308),
            True,
            PerformanceState.NOT_COMPUTABLE,
            "is 1.7e+308, and up to 1e+30",
        ),
        (LABELS, replace(CLASSES, classes=50), True, None, ""),
        (CLASSES, replace(CLASSES, classes=51), False, PerformanceState.NOT_COMPUTABLE, "has 51 classes, and up to 50"),
    ],
)
def test_what_can_be_told_before_any_scoring(
    ref: LabelMonth, cur: LabelMonth, champion: bool, state: PerformanceState | None, words: str
) -> None:
    found = why_not(ref, cur, monitor(), champion)
    assert (found.state if found else None) == state
    assert found is None or words in found.reason
    off = why_not(ref, cur, monitor(performance="off"), champion)
    assert off is not None and off.state is PerformanceState.OFF
