"""The gain of retraining: known answers, and why there is none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from driftgate.drift.comparison import Side
from driftgate.features.entities import MonthSize
from driftgate.measures import LabelKind
from driftgate.performance.bootstrap import Scored
from driftgate.performance.evaluation_model import labelled
from driftgate.performance.gain import FitAndScore, challenger_of, gain_of, measure_gain, why_no_gain
from driftgate.performance.result import Gain, NoGain, PassedOver, Performance, PerformanceState, not_measured
from driftgate.performance.scoring import measure, score_months
from driftgate.shared import Shared
from driftgate.training.dataset import class_numbers, over_classes
from driftgate.training.features import InputKind, ModelFeature, model_features
from tests.drift.months import ledger_of, profile_of
from tests.performance.months import FEB, JAN, KEY, monitor
from tests.performance.months import month as month_files
from tests.reports.runs import PENDING, UNMEASURED, measured


def logistic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-values))


def month(strength: float, present: float, users: int = 4000) -> tuple[Scored, FitAndScore, Callable[[], int]]:
    """Labels that follow a value by `strength`, a present model that reads it by `present`, a challenger by its fit."""
    random = np.random.default_rng(0)
    value = random.normal(size=users)
    labels = (random.random(users) < logistic(strength * value - 1)).astype(float)
    keys = np.array([f"u{n}" for n in range(users)])
    fits: list[int] = []

    def fit_and_score(fitted: NDArray[np.bool_], scored: NDArray[np.bool_]) -> NDArray[np.float64]:
        assert not (fitted & scored).any(), "nobody is scored by a model that has seen him"
        fits.append(int(fitted.sum()))
        sign = np.corrcoef(value[fitted], labels[fitted])[0, 1]
        return logistic(np.sign(sign) * value[scored])

    return Scored(keys, labels, logistic(present * value)), fit_and_score, lambda: len(fits)


def test_a_model_whose_relation_is_reversed_gains_surely() -> None:
    present, fit, _ = month(strength=1.5, present=-1.0)
    gain = measure_gain(present, np.zeros(len(present.keys), bool), fit, 100)
    assert gain.surely_positive and gain.low < gain.value < gain.high
    assert 0.4 < gain.value < 0.8
    assert gain == measure_gain(present, np.zeros(len(present.keys), bool), fit, 100), "the same seed, the same gain"


def test_a_model_that_is_right_already_gains_nothing() -> None:
    present, fit, _ = month(strength=1.5, present=1.0)
    gain = measure_gain(present, np.zeros(len(present.keys), bool), fit, 100)
    assert gain.value == 0.0 and not gain.surely_positive


def test_entities_that_the_present_model_has_seen_are_not_scored() -> None:
    present, fit, _ = month(strength=1.5, present=-1.0)
    seen = np.arange(len(present.keys)) % 5 > 0
    gain = measure_gain(present, seen, fit, 100)
    assert gain.surely_positive and 300 < gain.entities < 500


@pytest.mark.parametrize("least", [2001, 5000])
def test_too_few_entities_are_said_before_a_fit(least: int) -> None:
    present, fit, fits = month(strength=1.5, present=1.0)
    gain = measure_gain(present, np.zeros(len(present.keys), bool), fit, least)
    assert (gain.code, gain.computed, gain.surely_positive) == (NoGain.TOO_FEW, False, False)
    assert str(least) in gain.reason and fits() <= 1


def test_the_performance_says_why_there_is_none() -> None:
    assert why_no_gain(measured(0.8, 0.6)) is None
    codes = [(why_no_gain(found) or Gain()).code for found in (PENDING, UNMEASURED)]
    assert codes == [NoGain.LABELS_PENDING, NoGain.OFF]
    lost = not_measured(PerformanceState.NOT_COMPUTABLE, "not computable: the label is not boolean")
    assert why_no_gain(lost) == Gain(code=NoGain.NOT_MEASURED, reason="the label is not boolean")


def test_a_champion_that_knows_the_month_leaves_no_gain_to_measure() -> None:
    found = replace(measured(0.8, 0.6), passed_over=PassedOver("2", FEB, FEB))
    gain = why_no_gain(found)
    assert gain is not None and gain.code is NoGain.CHAMPION_KNOWS and "v2" in gain.reason


@pytest.mark.parametrize(("strength", "present", "positive"), [(2.0, -1.0, True), (0.0, 1.0, False)])
def test_real_trees_gain_where_there_is_something_to_learn(
    tmp_path: Path, strength: float, present: float, positive: bool
) -> None:
    features, labels = month_files(tmp_path, FEB, users=3000, strength=strength)
    found = labelled(features, labels, KEY)
    usage = np.nan_to_num(found.table.column("usage").to_numpy())
    scored = Scored(found.keys, found.values, logistic(present * usage))
    challenger = challenger_of(found.table, found.values, model_features(features))
    gain = measure_gain(scored, np.zeros(len(found.keys), bool), challenger, 100)
    assert gain.computed and gain.surely_positive == positive


@pytest.mark.parametrize(("turned", "positive"), [(True, True), (False, False)])
def test_a_month_whose_meaning_turned_round_gains_and_one_like_before_does_not(
    tmp_path: Path, turned: bool, positive: bool
) -> None:
    ref, cur = pair(tmp_path, 3000, turned)
    found, gain = measured_gain(tmp_path, ref, cur)
    assert gain.computed and gain.surely_positive is positive
    assert found.measured and (found.drop > 0.3) is positive
    # A fifth of the users is in the probe's validation, and half of those is scored.
    assert 200 < gain.entities < 1600


def test_a_feature_that_cannot_be_read_leaves_a_reason(tmp_path: Path) -> None:
    ref, cur = pair(tmp_path, 3000, False)
    none = replace(cur, features=replace(cur.features, declared=()))
    _, gain = measured_gain(tmp_path, ref, cur, none)
    assert gain.code is NoGain.NOT_MEASURED and gain.reason.startswith("no challenger can be fitted")


def pair(folder: Path, users: int, turned: bool) -> tuple[Side, Side]:
    made = month_files(folder, JAN, users, 1), month_files(folder, FEB, users, 2, -2.0 if turned else 2.0)
    ref, cur = (Side(MonthSize(item[0].as_of, users, users), *item, profile_of(item[0])) for item in made)
    return ref, cur


def measured_gain(folder: Path, ref: Side, cur: Side, fitted: Side | None = None) -> tuple[Performance, Gain]:
    """The performance of a probe, and the gain of a challenger fitted on `fitted`, by default the current month."""
    rules = monitor()
    ledger = ledger_of(ref.features, cur.features, rules)
    scoring = score_months(None, rules, ref, cur, ledger, Shared(folder))
    found = measure(scoring, rules, ref, cur)
    return found, gain_of(scoring, found, rules, fitted or cur, ledger)


def trips(number: int, kind: LabelKind) -> tuple[pa.Table, NDArray[np.str_], NDArray[Any], tuple[ModelFeature, ...]]:
    """Entities whose label follows a value."""
    random = np.random.default_rng(number)
    value = random.normal(size=number)
    labels = 10 + 3 * value + random.normal(size=number)
    words = np.where(labels < 8, "early", np.where(labels < 12, "on time", "late"))
    features = (ModelFeature("value", "v", "FLOAT64", InputKind.NUMBER),)
    keys = np.array([f"t{at}" for at in range(number)])
    return pa.table({"value": value}), keys, words if kind is LabelKind.CATEGORICAL else labels, features


def test_a_gain_in_an_error_is_the_part_of_it_that_is_saved() -> None:
    table, keys, labels, features = trips(2000, LabelKind.NUMERIC)
    challenger = challenger_of(table, labels, features, LabelKind.NUMERIC)
    nobody = np.zeros(len(keys), bool)
    # A model that knows nothing but the mean is off by the whole spread, of which the value explains nine tenths.
    blind = Scored(keys, labels, np.full(len(keys), 10.0), LabelKind.NUMERIC)
    gain = measure_gain(blind, nobody, challenger, 100)
    assert gain.surely_positive and 0.55 < gain.value < 0.7
    value = table.column("value").to_numpy()
    right = Scored(keys, labels, 10 + 3 * value, LabelKind.NUMERIC)
    gain = measure_gain(right, nobody, challenger, 100)
    assert gain.computed and not gain.surely_positive
    few = measure_gain(right, nobody, challenger, 1500)
    assert few.code is NoGain.TOO_FEW and "labels that differ" in few.reason


def test_a_class_that_only_the_challenger_knows_is_a_gain() -> None:
    table, keys, words, features = trips(3000, LabelKind.CATEGORICAL)
    classes = ("early", "late", "on time")
    value = table.column("value").to_numpy()
    # The present model has never seen a late trip, and tells the others apart.
    early = logistic(-3 * (value + 0.7))
    scores = over_classes(np.column_stack([early, 1 - early]), ("early", "on time"), classes)
    present = Scored(keys, class_numbers(words, classes), scores, LabelKind.CATEGORICAL)
    challenger = challenger_of(table, words, features, LabelKind.CATEGORICAL, classes)
    gain = measure_gain(present, np.zeros(len(keys), bool), challenger, 100)
    assert gain.surely_positive and gain.low > 0.1
