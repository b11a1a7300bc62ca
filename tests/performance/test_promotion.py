"""Champion against challenger: who is promoted."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.database import ConnectionParameters
from driftgate.drift.ledger import read_table
from driftgate.errors import DataError, MissingSignalError
from driftgate.features.files import write_file
from driftgate.measures import LabelKind
from driftgate.performance.bootstrap import Scored
from driftgate.performance.champion import load_evaluation_model
from driftgate.performance.promotion import (
    Floor,
    ModelComparison,
    compare_models,
    compare_versions,
    same,
    unopposed,
    with_floor,
)
from driftgate.performance.result import Change
from driftgate.reports.promotion import comparison_line
from driftgate.training.metrics import all_metrics
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.threshold import EARLIER_THRESHOLD, best_threshold
from tests.conftest import new_database
from tests.performance.months import JAN, KEY, month
from tests.performance.test_bootstrap import scored
from tests.performance.test_champion import train


def pair(champion: float, challenger: float, users: int = 1500) -> tuple[Scored, Scored]:
    """The same users, scored by a weak and a strong model."""
    labels = scored(users, 0.0, 1).labels
    random = np.random.default_rng(2)
    sides = [
        Scored(
            np.arange(users).astype(str),
            labels,
            1 / (1 + np.exp(-(strength * labels + random.normal(size=users)))),
        )
        for strength in (champion, challenger)
    ]
    return sides[0], sides[1]


def test_the_better_one_wins() -> None:
    champion, challenger = pair(0.0, 1.0)
    found = compare_models(("1", champion), ("2", challenger), 0.01, 100)
    assert found.promote
    assert found.measures["auc"].low > 0
    assert not compare_models(("2", challenger), ("1", champion), 0.01, 100).promote


def test_equal_ones_stay_and_so_does_a_gain_below_delta() -> None:
    champion, challenger = pair(1.0, 1.0)
    assert not compare_models(("1", champion), ("2", challenger), 0.01, 100).promote
    assert not compare_models(("1", champion), ("2", champion), 0.0, 100).promote, "no difference at all is no win"
    weak, strong = pair(0.5, 1.0)
    gain = compare_models(("1", weak), ("2", strong), 0.0, 100)
    assert gain.promote
    assert not compare_models(("1", weak), ("2", strong), gain.measures["auc"].difference + 0.001, 100).promote


def test_a_gain_that_may_be_chance_does_not_win() -> None:
    champion, challenger = pair(1.0, 1.0, users=200)
    found = compare_models(("1", champion), ("2", challenger), 0.01, 100)
    assert found.measures["auc"].low < 0 < found.measures["auc"].difference
    assert not found.promote


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([0, 1, 50, 99]))
def test_too_few_users_promote_nobody(users: int) -> None:
    champion, challenger = pair(0.0, 3.0, users=max(users, 1))
    cut = [Scored(side.keys[:users], side.labels[:users], side.scores[:users]) for side in (champion, challenger)]
    found = compare_models(("1", cut[0]), ("2", cut[1]), 0.01, 100)
    assert not found.promote and "100 are needed" in found.reason


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_promotes_nobody(wrong: float) -> None:
    _, challenger = pair(0.0, 3.0)
    scores = challenger.scores.copy()
    scores[7] = wrong
    with pytest.raises(MissingSignalError, match="1 of 1500 scores are no probabilities"):
        Scored(challenger.keys, challenger.labels, scores)


def test_without_a_champion_the_first_is_promoted_and_the_same_training_is_not() -> None:
    assert unopposed("1").promote
    assert not same("3").promote


def test_a_month_that_lacks_one_of_the_challengers_users_decides_nothing(
    server: ConnectionParameters, tmp_path: Path
) -> None:
    """Such as one that is being loaded anew."""
    features, labels = month(tmp_path, JAN, seed=1)
    with new_database(server) as parameters:
        registry = ModelRegistry(parameters, tmp_path / "artifacts", "m")
        assert [train(registry, features, labels, tmp_path / str(seed), seed) for seed in (42, 43)] == ["1", "2"]
        found = compare_versions(registry, "1", "2", features, KEY, 0.01, 10)
        old, new = (load_evaluation_model(registry, registry.version_info(version))[0] for version in "12")
        judged = sorted(set(new.validation.keys.tolist()) - set(old.seen.tolist()))
        assert found.entities == len(judged) > 10
        rows = read_table(features)
        for lost in (judged[0], judged[-1]):
            path = tmp_path / f"without_{lost}.arrow"
            write_file(path, rows.filter(pc.not_equal(rows.column(KEY), lost)))
            with pytest.raises(DataError, match="2024-01-31 lacks entities"):
                compare_versions(
                    registry, "1", "2", replace(features, path=path, rows=features.rows - 1), KEY, 0.01, 10
                )
        registry.close()


GOOD = {"auc": 0.84, "positive_rate": 0.24, "predicted_positive_rate": 0.2}
BAD = {"auc": 0.64, "positive_rate": 0.24, "predicted_positive_rate": 0.015}


def won(auc: float) -> ModelComparison:
    change = Change(0.48, auc, 0.1, 0.2, 0.001)
    return ModelComparison("1", "2", 1400, True, "it won", {"auc": change})


def test_the_better_of_two_bad_models_is_promoted_with_warnings() -> None:
    found = with_floor(won(0.64), GOOD, BAD, Floor())
    assert found.promote
    assert found.warnings == (
        "auc 0.6400, and the champion had 0.8400 in its own validation",
        "calls 1.5% positive where 24.0% are",
    )
    line = comparison_line(found)
    assert line.endswith(
        "-> PROMOTED it won; WARNING: auc 0.6400, and the champion had 0.8400 in its own validation; "
        "WARNING: calls 1.5% positive where 24.0% are"
    )


@pytest.mark.parametrize(
    ("predicted", "rate", "right"),
    [
        (0.02, 0.05, False),
        (0.03, 0.05, True),
        (0.12, 0.05, True),
        (0.55, 0.05, False),
        (0.49, 0.24, True),
        (0.53, 0.24, False),
        (0.95, 0.6, True),
    ],
)
def test_too_many_are_more_than_half_of_all_and_twice_as_many_as_there_are(
    predicted: float, rate: float, right: bool
) -> None:
    now = {"auc": 0.84, "positive_rate": rate, "predicted_positive_rate": predicted}
    warnings = with_floor(won(0.84), GOOD, now, Floor()).warnings
    assert warnings == (() if right else (f"calls {predicted:.1%} positive where {rate:.1%} are",))


@pytest.mark.parametrize(("rate", "spread"), [(0.05, 6), (0.1, 6), (0.24, 3)])
def test_a_model_whose_probabilities_are_right_is_promoted_without_a_word(rate: float, spread: float) -> None:
    # Of 1,400 entities of validation; AUC 0.88 and 0.82. At 0.5 the model of the rarest label calls nearly nobody.
    for seed in range(30):
        random = np.random.default_rng(seed)
        scores = random.beta(rate * spread, (1 - rate) * spread, 1_400)
        labels = (random.random(1_400) < scores).astype(np.float64)
        now = all_metrics(labels, scores, best_threshold(labels, scores))
        assert with_floor(won(0.84), GOOD, now, Floor()).warnings == ()
        if rate < 0.1:
            at_half = all_metrics(labels, scores, EARLIER_THRESHOLD)
            assert "positive where" in with_floor(won(0.84), GOOD, at_half, Floor()).warnings[0]


def test_a_floor_forbids_and_a_good_challenger_is_promoted_without_a_word() -> None:
    kept = with_floor(won(0.64), GOOD, BAD, Floor(0.7))
    assert not kept.promote and kept.reason == "it won; auc 0.6400 < min_auc 0.7"
    assert with_floor(won(0.7), GOOD, GOOD, Floor(0.7)).promote
    assert with_floor(won(0.83), GOOD, GOOD, Floor(0.7)) == won(0.83)


def numbers(error: float, seed: int, users: int = 1500) -> Scored:
    """Predictions that are off by so much; labels and keys are the same for each."""
    labels = np.random.default_rng(0).normal(50, 10, users)
    scores = labels + np.random.default_rng(seed).normal(0, error, users)
    return Scored(np.array([f"u{at}" for at in range(users)]), labels, scores, LabelKind.NUMERIC)


@pytest.mark.parametrize(("error", "wins"), [(2.0, True), (3.9, False), (4.0, False), (6.0, False)])
def test_of_a_numeric_label_the_one_that_is_surely_less_off_wins(error: float, wins: bool) -> None:
    found = compare_models(("1", numbers(4.0, 1)), ("2", numbers(error, 2)), 0.05, 100)
    assert found.promote == wins
    assert found.reason.startswith("rmse ") and ", lower by " in found.reason and found.reason.endswith("5.0% needed")
    assert set(found.measures) == {"rmse", "mae", "bias", "mean_label"}


FAIR = {"rmse": 4.0, "bias": 0.1, "label_sd": 10.0, "mean_prediction": 50.1, "mean_label": 50.0}


def of_numbers(error: float) -> ModelComparison:
    change = Change(9.0, error, -6.0, -4.0, 0.001, -0.6, -0.4)
    return ModelComparison("1", "2", 1400, True, "it won", {"rmse": change})


def test_max_error_forbids_and_min_auc_says_nothing_of_a_number() -> None:
    kept = with_floor(of_numbers(6.0), FAIR, FAIR, Floor(None, 5.0), LabelKind.NUMERIC)
    assert not kept.promote and kept.reason == "it won; rmse 6.0000 > max_error 5"
    assert kept.warnings == ("rmse 6.0000, and the champion had 4.0000 in its own validation",)
    assert with_floor(of_numbers(4.2), FAIR, FAIR, Floor(None, 5.0), LabelKind.NUMERIC) == of_numbers(4.2)
    other = with_floor(of_numbers(4.2), FAIR, FAIR, Floor(0.7), LabelKind.NUMERIC)
    assert other.promote and other.warnings == (
        "min_auc says nothing about a model that is measured by its rmse: set max_error",
    )
    skewed = {**FAIR, "bias": -12.0, "mean_prediction": 38.0}
    found = with_floor(of_numbers(4.2), FAIR, skewed, Floor(), LabelKind.NUMERIC)
    assert found.warnings == ("predicts 38 on average where 50 is",)
    assert with_floor(won(0.84), GOOD, GOOD, Floor(None, 5.0)).warnings == (
        "max_error says nothing about a model that is measured by its auc: set min_auc",
    )
