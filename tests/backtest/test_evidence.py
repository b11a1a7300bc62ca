"""The evidence: honest scores, the monitor's own decision, and what is kept and read again."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from benchmarks.policies import MONITOR as YEAR_MONITOR
from benchmarks.policies import THEN, month_of
from driftgate.backtest.evidence import Evidence
from driftgate.backtest.kept import Kept
from driftgate.backtest.policies import Monitored
from driftgate.decision import HeldBack, History
from driftgate.drift.comparison import Side
from driftgate.errors import DataError
from driftgate.features.files import read_file, write_file
from driftgate.measures import LabelKind
from driftgate.performance.evaluation_model import fit_probe
from driftgate.planning import policy_of
from tests.drift.months import side
from tests.performance.months import monitor
from tests.performance.months import month as month_files

MONTHS = [date(2024, month, 28) for month in range(1, 5)]
USERS = 1000
MONITOR = monitor(min_rows=50, require_gain=True, on_incomparable="count_as_drift")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, ...]:
    """Four months of the same users; from the third on the features mean the opposite."""
    folder = tmp_path_factory.mktemp("months")
    strengths = (2.0, 2.0, -2.0, -2.0)
    months = zip(MONTHS, strengths, strict=True)
    return tuple(side(*month_files(folder, day, USERS, at, strength)) for at, (day, strength) in enumerate(months))


@pytest.fixture
def evidence(sides: tuple[Side, ...], tmp_path: Path) -> Evidence:
    return Evidence(MONITOR, policy_of(MONITOR), sides, tmp_path, Kept(tmp_path / "kept"))


def seasonal(folder: Path, months: list[int], **overrides: object) -> Evidence:
    """Months of which every twelfth, from December on, and every second of a first half-year looks otherwise."""

    def year(month: int) -> tuple[np.ndarray, float]:
        return THEN, 0.8 * (month % 2 if month < 8 else month == 11)

    rules = YEAR_MONITOR.model_copy(update={"require_gain": False, **overrides})
    sides = tuple(month_of(year, month, USERS, 0, folder) for month in months)
    return Evidence(rules, policy_of(rules), sides, folder, Kept(folder / "kept"))


def fits_of(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The months on which a model is fitted from here on."""
    fitted: list[date] = []

    def counted(month, *arguments):  # type: ignore[no-untyped-def]
        fitted.append(month.as_of)
        return fit_probe(month, *arguments)

    monkeypatch.setattr("driftgate.backtest.evidence.fit_probe", counted)
    return fitted


def test_models_are_scored_on_later_months_alone(evidence: Evidence) -> None:
    scores = evidence.scores()
    assert scores.months == tuple(MONTHS) and scores.measure.name == "auc"
    assert np.isnan(scores.values[np.tril_indices(4)]).all()
    assert scores.values[0, 1] > 0.7 and scores.values[2, 3] > 0.7
    assert max(scores.values[0, 2], scores.values[0, 3], scores.values[1, 2], scores.values[1, 3]) < 0.4


def test_the_monitors_decision_is_made_with_its_gain(evidence: Evidence) -> None:
    calm, changed = (evidence.decide(0, month, History(champion_trained_on=MONTHS[0])) for month in (1, 2))
    assert not calm.signalled and changed.triggered
    assert changed.reason_codes == ("auc_drop",)
    # The third month's own model has nothing to gain in the fourth.
    assert not evidence.decide(2, 3, History(champion_trained_on=MONTHS[2])).triggered


def test_a_monitor_that_measures_no_performance_has_no_such_signal(evidence: Evidence) -> None:
    off = monitor(min_rows=50, performance="off", on_incomparable="count_as_drift")
    found = replace(evidence, monitor=off, policy=policy_of(off)).decide(0, 2, None)
    assert [signal.name for signal in found.signals] == ["drift_share"]


def test_a_season_triggers_once_and_is_then_known_by_the_month_of_a_year_before(tmp_path: Path) -> None:
    evidence = seasonal(tmp_path, [0, 11, 12])
    december, january = (evidence.decide(0, month, History()) for month in (1, 2))
    assert december.triggered and december.explained == ()
    assert january.held_back_code is HeldBack.SEASONAL and january.signalled
    assert evidence.decide(0, 2, None).explained == (), "a policy that asks for signals alone heeds no past"
    rules = evidence.monitor.model_copy(update={"own_past": False})
    assert replace(evidence, monitor=rules).decide(0, 2, History()).triggered


def test_what_often_moves_is_usual_from_six_replayed_pairs_on(tmp_path: Path) -> None:
    evidence = seasonal(tmp_path, list(range(9)), confirmations=2, confirmation_window=2)
    days = [side.size.as_of for side in evidence.sides]
    policy = Monitored(evidence.decide, days)
    found = [policy(0, month) for month in range(1, 9)]
    assert found[:6] == [False, *[True] * 5], "one signal is not yet two, and five pairs are no past"
    # A month that returns moves less than those that went away, in parts of the spread that it had.
    assert evidence.decide(0, 8, History()).held_back_code is HeldBack.USUAL and not found[7]
    assert not policy.earlier[0].signalled, "what is no news confirms nothing"


def test_what_was_cut_short_goes_on_where_it_was(
    evidence: Evidence, sides: tuple[Side, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = fits_of(monkeypatch)

    def cut(items, what):  # type: ignore[no-untyped-def]
        yield from items[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evidence.scores(cut)
    assert fitted == MONTHS[:2]
    whole = evidence.scores()
    assert fitted == MONTHS[:3], "each once"
    decided = evidence.decide(0, 2, History())

    fitted.clear()
    again = replace(evidence, kept=Kept(evidence.kept.folder), _models={})
    assert np.array_equal(again.scores().values, whole.values, equal_nan=True)
    assert again.decide(0, 2, History()) == decided and fitted == []

    other = replace(again, sides=(sides[1], *sides[1:]), _models={})
    assert not np.array_equal(other.scores().values, whole.values, equal_nan=True)
    assert fitted == [MONTHS[1], MONTHS[1], MONTHS[2]], "another first month: nothing that hangs on it is read"


def test_what_is_kept_and_cannot_be_read_is_computed_again(tmp_path: Path) -> None:
    kept, path = Kept(tmp_path), tmp_path / "a.json"
    assert kept.get("a", list[float], lambda: [1.5, float("nan")])[0] == 1.5
    assert np.isnan(kept.get("a", list[float], lambda: [2.0])[1]), "read, with the NaN that it had"
    path.write_text(path.read_text()[:3])
    assert kept.get("a", list[float], lambda: [2.0]) == [2.0]
    assert json.loads(path.read_text()) == [2.0]
    Kept(tmp_path).get("b", list[float], lambda: [3.0])
    kept.delete_others()
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def test_a_feature_that_a_later_month_lacks_is_named(
    evidence: Evidence, sides: tuple[Side, ...], tmp_path: Path
) -> None:
    features = sides[2].features
    without = tmp_path / "without.arrow"
    write_file(without, read_file(features.path).drop_columns(["usage"]))
    lacking = replace(sides[2], features=replace(features, path=without, absent=("usage",)))
    with pytest.raises(DataError, match="reads features that are absent: usage"):
        replace(evidence, sides=(*sides[:2], lacking, sides[3])).scores()
    # A model of that month does without it.
    assert replace(evidence, sides=(lacking, sides[3])).scores().values[0, 1] < 0.65


def test_too_few_entities_and_mixed_labels_are_errors(evidence: Evidence, sides: tuple[Side, ...]) -> None:
    with pytest.raises(DataError, match=r"2024-02-28 has \d+ labelled entities that no earlier model has seen"):
        replace(evidence, monitor=monitor(min_rows=500)).scores()
    classes = replace(sides[1], labels=replace(sides[1].labels, kind=LabelKind.CATEGORICAL))
    with pytest.raises(DataError, match="classes in some of the months and numbers in others"):
        replace(evidence, sides=(sides[0], classes, *sides[2:])).scores()
