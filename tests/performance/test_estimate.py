"""The performance before labels come, on data whose answer is known: other entities, another meaning, neither."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.drift.comparison import Side
from driftgate.drift.ledger import Ledger, read_table
from driftgate.features.entities import MonthSize
from driftgate.features.files import write_file
from driftgate.features.labels import LabelMonth
from driftgate.measures import Floats, LabelKind, values_of
from driftgate.monitors import Monitor
from driftgate.performance.bootstrap import Scored
from driftgate.performance.causes import Probabilities, month_probabilities
from driftgate.performance.estimate import estimate_auc, estimate_of
from driftgate.performance.evaluation_model import Rows, fit_probe, score_with
from driftgate.performance.result import Estimate, NoEstimate, PerformanceState, not_measured
from driftgate.performance.scoring import Scoring, measure, score_months
from driftgate.shared import Shared
from tests.drift.months import ledger_of, profile_of
from tests.performance.months import FEB, JAN, KEY, monitor, month
from tests.performance.test_causes import FEATURES, REPLICATES, rows


def auc(of: Scored) -> float:
    return values_of(LabelKind.BOOLEAN, of.labels, of.scores)["auc"]


def estimate(ref: Rows, cur: Rows, seed: int = 0) -> Estimate:
    """The estimate for a month whose labels it does not get."""
    probabilities = month_probabilities(ref.entities, cur.entities, FEATURES, seed)
    return estimate_auc(ref.scored, cur.scored.keys, cur.scored.scores, probabilities, 100, seed, REPLICATES)


def test_with_other_entities_alone_it_follows_the_drop() -> None:
    ref, cur = rows(1, 0.8, 3.0), rows(2, 0.2, 3.0)
    found = estimate(ref, cur)
    assert auc(ref.scored) - auc(cur.scored) > 0.15, "the drop is there"
    assert found.low <= auc(cur.scored) <= found.high < auc(ref.scored) - 0.05


def test_another_meaning_alone_does_not_move_it() -> None:
    ref, cur = rows(1, 0.8, 3.0), rows(2, 0.8, -1.0)
    found = estimate(ref, cur)
    assert auc(cur.scored) < 0.5 < 0.7 < found.low
    assert found.low <= auc(ref.scored) <= found.high


def test_where_nothing_changed_it_is_what_it_was() -> None:
    ref, cur = rows(1, 0.5, 2.0), rows(2, 0.5, 2.0)
    found = estimate(ref, cur)
    assert found.low <= auc(ref.scored) <= found.high and found.low <= auc(cur.scored) <= found.high
    assert found.entities == 2000 and found.alike > 1500


def test_a_model_that_tells_nothing_is_not_made_to_look_better() -> None:
    """The mean over 40 months of 300 entities, seeds 0 to 79: isotonic regression gives 0.55 on these."""
    found = []
    for seed in range(0, 80, 2):
        ref, cur = rows(seed, 0.0, 0.0, 300).scored, rows(seed + 1, 0.0, 0.0, 300).scored
        coin = replace(ref, labels=(np.random.default_rng(seed).random(300) < 0.4).astype(float))
        found.append(estimate_auc(coin, cur.keys, cur.scores, alike, replicates=2).value)
    assert np.mean(found) == pytest.approx(0.5, abs=0.015)


def test_its_interval_holds_the_figure_that_labels_give() -> None:
    """200 months whose entities moved, seeds 0 to 199, by the true probabilities: 95% of intervals, 2.5 errors wide."""
    held = 0
    for seed in range(200):
        ref, probabilities = loud_and_quiet(2 * seed, 0.8), tilted(0.8, 0.3)
        cur = loud_and_quiet(2 * seed + 1, 0.3)
        found = estimate_auc(ref.scored, cur.scored.keys, cur.scored.scores, probabilities(ref, cur), seed=seed)
        held += found.low <= auc(cur.scored) <= found.high
    assert 0.95 - 2.5 * 0.0154 <= held / 200 <= 0.95 + 2.5 * 0.0154


@pytest.mark.slow
def test_its_interval_holds_as_often_where_the_probabilities_are_learnt() -> None:
    """60 months, seeds 0 to 119; fewer than 51 of 95% have a chance of less than 1%."""
    held = 0
    for seed in range(0, 120, 2):
        ref, cur = rows(seed, 0.8, 3.0, 1400), rows(seed + 1, 0.3, 3.0, 1400)
        found = estimate(ref, cur, seed)
        held += found.low <= auc(cur.scored) <= found.high
    assert held >= 51


@given(st.integers(0, 1000), st.floats(0.1, 0.7))
def test_it_is_a_share_whatever_the_weights_and_their_unit_says_nothing(seed: int, unit: float) -> None:
    ref, cur = rows(seed, 0.5, 2.0, 120).scored, rows(seed + 1, 0.5, 2.0, 90).scored
    odds = np.random.default_rng(seed).uniform(0.25, 4.0, 120)
    values = []
    for scaled in (odds, odds * unit):
        chances = scaled / (1 + scaled), np.full(90, 0.5)
        found = estimate_auc(ref, cur.keys, cur.scores, lambda *_, given=chances: given, seed=seed, replicates=3)
        assert 0.0 <= found.low <= found.value <= found.high <= 1.0
        values.append(found.value)
    assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_a_month_unlike_the_reference_has_no_estimate() -> None:
    found = estimate(rows(1, 1.0, 3.0, 1000), rows(2, 0.0, 3.0, 1000))
    assert found.code is NoEstimate.TOO_DIFFERENT and "unlike any of the reference" in found.reason
    few = estimate(rows(1, 0.06, 3.0, 700), rows(2, 0.6, 3.0, 700))
    assert few.code is NoEstimate.TOO_DIFFERENT and few.alike < 100 and "100 needed" in few.reason


def test_a_new_kind_of_entities_is_not_estimated_by_the_old_ones() -> None:
    """A fifth of the month is of a group that the reference does not have."""
    ref, cur = rows(1, 1.0, 3.0, 1000), rows(2, 0.8, 3.0, 1000)
    found = estimate(ref, cur)
    assert found.code is NoEstimate.TOO_DIFFERENT, found


def test_labels_that_are_all_alike_give_no_estimate() -> None:
    ref = rows(1, 0.5, 2.0, 300).scored
    found = estimate_auc(replace(ref, labels=np.zeros(300)), ref.keys, ref.scores, alike)
    assert found.code is NoEstimate.TOO_FEW and not found.computed


def alike(ref: Floats, cur: Floats) -> tuple[Floats, Floats]:
    """Months that nobody can tell from each other."""
    return np.full(len(ref), 0.5), np.full(len(cur), 0.5)


def loud_and_quiet(seed: int, loud: float) -> Rows:
    """A month of such users as `rows` makes; its keys are its own."""
    made = rows(seed, loud, 3.0, 700)
    keys = np.char.add(made.scored.keys, f" of {seed}")
    return Rows(Scored(keys, made.scored.labels, made.scored.scores), made.table)


def tilted(before: float, after: float) -> Callable[[Rows, Rows], Probabilities]:
    """What an entity's group says of its month, where the share of the loud group went from `before` to `after`."""

    def of(ref: Rows, cur: Rows) -> Probabilities:
        def chances(side: Rows) -> Floats:
            is_loud = np.array(side.table.column("group").to_pylist()) == "loud"
            odds = np.where(is_loud, after / before, (1 - after) / (1 - before))
            return odds / (1 + odds)

        found = chances(ref), chances(cur)
        return lambda *_: found

    return of


# ---- months in files


def january_and_february(
    folder: Path, pending: bool = True, kind: LabelKind = LabelKind.BOOLEAN, **changed: object
) -> tuple[Side, Side, Monitor, Ledger]:
    """January with labels, and February without; and the monitor with its ledger."""
    made = [month(folder, JAN, seed=1), month(folder, FEB, seed=2)]
    if pending:
        awaited = LabelMonth(FEB, 1500, 640, float("nan"), "pending, 42% labelled", None, None, pending=True)
        made[1] = made[1][0], awaited
    rules = monitor(min_rows=30, **changed)
    ref, cur = (Side(MonthSize(item[0].as_of, 1500, 1500), *item, profile_of(item[0])) for item in made)
    ref = replace(ref, labels=replace(ref.labels, kind=kind))
    return ref, cur, rules, ledger_of(ref.features, cur.features, rules)


def asked(folder: Path, **given: Any) -> Estimate:
    """What is estimated of February, by a probe of January."""
    ref, cur, rules, ledger = january_and_february(folder, **given)
    scoring = score_months(None, rules, ref, cur, ledger, Shared(folder))
    return estimate_of(scoring, measure(scoring, rules, ref, cur), rules, ref, cur, ledger)


def test_a_pending_month_has_an_estimate_and_the_validation_beside_it(tmp_path: Path) -> None:
    found = asked(tmp_path)
    assert found.computed and found.low < found.ref < found.high and 0.6 < found.ref < 0.95
    assert 0 < found.entities < 1500, "those that the probe was trained on are left out"


def test_where_there_are_labels_nothing_is_estimated(tmp_path: Path) -> None:
    assert asked(tmp_path, pending=False).code is NoEstimate.LABELS_THERE


def test_it_is_not_estimated_for_numbers_and_says_so(tmp_path: Path) -> None:
    found = asked(tmp_path, kind=LabelKind.NUMERIC)
    assert found.code is NoEstimate.OTHER_LABEL and found.reason == "it is not estimated for numeric labels"


def test_a_monitor_without_performance_has_none(tmp_path: Path) -> None:
    assert asked(tmp_path, performance="off").code is NoEstimate.OFF


def test_a_probe_that_cannot_be_fitted_leaves_the_month_without_an_estimate_and_with_a_verdict(tmp_path: Path) -> None:
    ref, cur, rules, ledger = january_and_february(tmp_path)
    table = read_table(ref.features)
    empty = pa.array([None] * table.num_rows, pa.float64())
    # The file of the month itself is mapped into memory.
    path = tmp_path / "without_usage.arrow"
    write_file(path, table.set_column(table.column_names.index("usage"), "usage", empty))
    ref = replace(ref, features=replace(ref.features, path=path))
    scoring = score_months(None, rules, ref, cur, ledger, Shared(tmp_path))
    performance = measure(scoring, rules, ref, cur)
    assert performance.state is PerformanceState.PENDING
    assert estimate_of(scoring, performance, rules, ref, cur, ledger).code is NoEstimate.NO_MODEL


def test_a_model_of_an_earlier_month_is_estimated_by_the_labels_of_the_reference(tmp_path: Path) -> None:
    ref, cur, rules, ledger = january_and_february(tmp_path)
    names = tuple(item.name for item in ledger.comparable)
    probe, model = fit_probe(ref.features, ref.labels, KEY, names)
    old = replace(probe, trained_on=date(2023, 12, 31))
    scores = [
        score_with(old, model, side.features, KEY, tmp_path / f"{name}.arrow")
        for name, side in (("ref", ref), ("cur", cur))
    ]
    pending = not_measured(PerformanceState.PENDING, "pending, 42% labelled")
    scoring = Scoring(old, scores[1], scores[0], pending)
    found = estimate_of(scoring, pending, rules, ref, cur, ledger)
    assert found.computed and found.low < found.ref < found.high
    without = estimate_of(replace(scoring, ref=None), pending, rules, ref, cur, ledger)
    assert without.code is NoEstimate.NO_REFERENCE and str(JAN) in without.reason


def test_a_large_month_is_estimated_by_a_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref, cur, rules, ledger = january_and_february(tmp_path)
    scoring = score_months(None, rules, ref, cur, ledger, Shared(tmp_path))
    performance = measure(scoring, rules, ref, cur)
    whole = estimate_of(scoring, performance, rules, ref, cur, ledger)
    monkeypatch.setattr("driftgate.performance.estimate.MOST_ENTITIES", 250)
    part = estimate_of(scoring, performance, rules, ref, cur, ledger)
    assert part.entities == 250 < whole.entities and part.low < whole.value < part.high
