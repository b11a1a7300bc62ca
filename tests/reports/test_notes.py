"""What a reader must know beside the answer."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from driftgate.decision import History
from driftgate.drift.result import ColumnResult, ColumnState
from driftgate.features.skew import Mismatch, Served, SkewCheck, SourceSkew
from driftgate.performance.findings import Causes
from driftgate.performance.interval import Interval
from driftgate.performance.result import Change, Estimate, Gain, NoEstimate, PassedOver
from driftgate.reports.notes import (
    calibration_note,
    copy_note,
    estimate_note,
    loaded_note,
    missing_note,
    model_note,
    skew_note,
    split_note,
    start_note,
    waiting_note,
)
from driftgate.reports.sentences import explanation
from driftgate.store.record import RunRecord
from tests.reports.runs import (
    CHECKED_AT,
    ESTIMATED,
    FEBRUARY,
    JANUARY,
    PENDING,
    PENDING_TARGET,
    PERMUTED,
    checked,
    column,
    finished,
    lost,
    measured,
)


def record(*columns: Any, **given: Any) -> RunRecord:
    return RunRecord.of(finished(*columns, **given))


@pytest.mark.parametrize(
    ("retrain", "begins"),
    [("simulated", "Nothing was started (SIMULATED)"), ("off", "Driftgate itself"), ("deployment", "A training")],
)
def test_what_a_trigger_started_is_explained(retrain: str, begins: str) -> None:
    given = {"retrain": retrain, "model": "m"}
    assert start_note(record(column("f", 0.5), **given)).startswith(begins)
    assert start_note(record(**given)) == ""
    waiting = record(column("f", 0.5), performance=PENDING, target=PENDING_TARGET, **given)
    assert ("starts when the labels" in start_note(waiting)) == (retrain == "deployment")


def test_an_estimate_says_what_it_cannot_see_and_that_it_decides_nothing() -> None:
    found = estimate_note(record(performance=ESTIMATED, target=PENDING_TARGET))
    assert found.startswith("An estimate before the labels come: AUC 0.80 (between 0.77 and 0.83), was 0.82.")
    assert "cannot see whether what predicts churn_label has changed, and it decides nothing" in found


@pytest.mark.parametrize("code", NoEstimate)
def test_why_there_is_no_estimate_is_said_where_the_state_does_not_say_it(code: NoEstimate) -> None:
    none = replace(PENDING, estimate=Estimate(code=code, reason="it is not estimated for numeric labels"))
    found = estimate_note(record(performance=none, target=PENDING_TARGET))
    unsaid = code in (NoEstimate.OFF, NoEstimate.LABELS_THERE, NoEstimate.NO_MODEL)
    said = "There is no estimate before the labels come: it is not estimated for numeric labels."
    assert found == ("" if unsaid else said)


def test_an_estimate_triggers_nothing_however_low_it_is() -> None:
    lost = replace(PENDING, estimate=Estimate(0.1, 0.05, 0.15, 0.9, 1000, 900))
    with_it, without = (
        record(performance=found, target=PENDING_TARGET).model_dump(exclude={"performance"})
        for found in (lost, PENDING)
    )
    assert with_it == without


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change(0.027, 0.096, 0.008, 0.111, 0.01), True),
        (Change(0.027, 0.096, -0.001, 0.111, 0.06), False),
        (Change(0.01, 0.03, 0.01, 0.03, 0.001), False),
    ],
)
def test_probabilities_that_surely_became_wrong_are_named_although_they_decide_nothing(
    change: Change, said: bool
) -> None:
    calm = measured(0.67, 0.67)
    found = record(performance=replace(calm, measures=calm.measures | {"calibration_error": change}))
    note = calibration_note(found)
    assert ("they are 10% away from what happens" in note and "were 3% away" in note) == said
    assert (note == "") != said and (not said or note in explanation(found))


def test_the_drop_is_split_in_figures_with_their_intervals() -> None:
    causes = Causes(Interval(-0.001, -0.03, 0.02), Interval(0.33, 0.29, 0.37), 900)
    found = split_note(record(performance=replace(measured(0.83, 0.5), causes=causes)))
    words = "0.33 (0.29 to 0.37) comes of what the features mean and 0.00 (-0.03 to 0.02) of other entities."
    assert found == f"Of the fall of the AUC from January 2024 to February 2024, {words}"
    assert split_note(record(performance=measured(0.83, 0.5))) == split_note(record()) == ""
    known = History(champion_trained_on=FEBRUARY)
    assert split_note(record(performance=replace(measured(0.83, 0.5), causes=causes), history=known)) == ""


def test_waiting_has_a_price_where_costs_are_known() -> None:
    lost = replace(measured(0.8, 0.5), gain=Gain(0.1, 0.08, 0.12, 700))
    assert waiting_note(record(performance=lost)) == ""
    costs = {"retrain_cost": 500.0, "error_cost": 1.7}
    assert (
        waiting_note(record(performance=lost, **costs))
        == "Waiting a month costs about 1,197 (between 958 and 1,437); a retraining costs 500."
    )


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (
            Gain(0.05, -0.01, 0.12, 700),
            "Waiting a month costs at most 1,437, and may cost nothing; a retraining costs 500.",
        ),
        (Gain(-0.05, -0.1, -0.01, 700), "Waiting a month costs nothing; a retraining costs 500."),
    ],
)
def test_waiting_where_a_gain_is_not_sure_is_not_called_a_cost(gain: Gain, words: str) -> None:
    performance = replace(measured(0.8, 0.5), gain=gain)
    assert waiting_note(record(performance=performance, retrain_cost=500.0, error_cost=1.7)) == words


def test_the_price_of_a_retraining_is_not_made_up_in_an_earlier_record() -> None:
    found = record(
        performance=replace(measured(0.8, 0.5), gain=Gain(0.1, 0.08, 0.12, 700)), retrain_cost=500.0, error_cost=1.7
    )
    old = found.model_copy(update={"inputs": found.inputs.model_copy(update={"retrain_cost": None})})
    assert waiting_note(old) == "Waiting a month costs about 1,197 (between 958 and 1,437)."


def lacking(name: str, before: float, after: float) -> ColumnResult:
    """A feature whose share of missing values counts."""
    return column(name, missing_ref=before, missing_cur=after, drifted=True, drifted_by="missing share")


def uncompared(name: str, state: ColumnState, **more: Any) -> ColumnResult:
    return replace(lost(name), state=state, **more)


def test_a_month_in_which_nothing_differs_may_be_a_copy() -> None:
    alike = column("f", 0.0, missing_cur=0.0)
    found = record(alike, column("g", 0.0, missing_cur=0.0))
    assert "exactly as in January 2024" in copy_note(found) and copy_note(found) in explanation(found)
    for other in (column("g", 0.001, missing_cur=0.0), column("g", 0.0, missing_cur=0.1)):
        assert copy_note(record(alike, other)) == ""
    assert copy_note(record(lost("gone"))) == ""


@pytest.mark.parametrize(
    ("ref", "cur", "said"), [(3000, 1500, True), (3000, 4501, True), (3000, 2001, False), (2, 3, False)]
)
def test_a_month_of_another_size_asks_whether_all_rows_are_loaded(ref: int, cur: int, said: bool) -> None:
    found = record()
    found = found.model_copy(update={"inputs": found.inputs.model_copy(update={"rows_ref": ref, "rows_cur": cur})})
    words = f"February 2024 has {cur:,} entities and January 2024 has {ref:,}: see whether all rows"
    assert (words in loaded_note(found)) == said and loaded_note(found) in explanation(found)


def test_what_is_missing_is_said_in_a_sentence_with_what_it_was() -> None:
    assert missing_note(record(column("calm"), column("moved", 0.5))) == ""
    assert missing_note(record(lacking("weather", 0.02, 0.31))) == "weather is missing for 31% of entities, 2% before."
    close = missing_note(record(lacking("weather", 0.3099, 0.3101)))
    assert close == "weather is missing for 31.01% of entities, 30.99% before."


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (uncompared("a", ColumnState.STALE), "a is stale: there is no new row for February 2024."),
        (uncompared("a", ColumnState.ALL_NULL), "a is missing for every entity in February 2024."),
        (uncompared("a", ColumnState.ALL_NULL, values_cur=9), "a is missing for every entity in January 2024."),
        (lost("a"), "a is not compared: no such column."),
    ],
)
def test_a_feature_without_values_is_said_to_have_none(item: ColumnResult, words: str) -> None:
    assert missing_note(record(item, column("b"))) == words


def test_features_that_lack_the_same_share_a_sentence_and_many_are_counted() -> None:
    stale = [uncompared(f"s{number}", ColumnState.STALE) for number in range(5)]
    assert missing_note(record(*stale, column("b"))) == (
        "s0, s1, s2 and 2 more are stale: there is no new row for February 2024."
    )
    two = missing_note(record(*stale[:2], column("b")))
    assert two == "s0 and s1 are stale: there is no new row for February 2024."
    many = missing_note(record(*(lacking(f"m{number}", 0.0, number / 10) for number in range(1, 6))))
    assert many.count(" is missing for ") == 3 and many.endswith("So it is with 2 more, see the list of features.")


def test_a_probe_is_said_to_be_one() -> None:
    assert model_note(record(performance=measured(0.8, 0.8))) == ""
    assert "No model was in use" in model_note(record(performance=measured(0.8, 0.8, version=None)))


def skew(check: SkewCheck | None) -> str:
    return skew_note(RunRecord.of(replace(finished(), skew=check)))


def test_a_month_that_was_not_checked_is_said_to_be_one() -> None:
    assert skew(None) == (
        "Served features: not checked. What is served of February 2024 has not been compared with what a model learns "
        "from it."
    )
    nothing = checked(SourceSkew(Served.ONLINE, 0), SourceSkew(Served.LOG, 0))
    assert skew(nothing) == skew(None), "nothing was compared"
    assert skew_note(record().model_copy(update={"skew": None})) == "", "of an earlier release nothing is known"


def test_served_features_that_agree_are_counted() -> None:
    assert skew(checked()) == (
        "Served features: agrees. 0 of 2,000 entities differ in the online store; allowed are 0%. "
        "Checked on 2024-04-01 at 08:30 UTC."
    )


def test_a_check_that_is_too_old_is_said_to_be_one() -> None:
    outdated = (
        "Served features: not checked since 2024-04-01 at 08:30 UTC. Since then February 2024 was written again, or "
        "more than 2 days have passed. Then: 0 of 2,000 entities differ in the online store; allowed are 0%."
    )
    assert skew(replace(checked(), changed_at=CHECKED_AT + timedelta(seconds=1))) == outdated
    late = replace(finished(decided_at=CHECKED_AT + timedelta(days=2, seconds=1)), skew=checked())
    assert skew_note(RunRecord.of(late)) == outdated
    assert skew(checked(replace(PERMUTED, surplus=1))).startswith(
        "Served features: mismatches. 2 of 2,000 entities differ in the online store, 1 that the month does not have;"
    )


def test_served_features_that_differ_are_named_the_worst_first() -> None:
    mismatches = tuple(Mismatch(name, count, ("u1",)) for name, count in (("e", 1), ("d", 9), ("a", 2), ("b", 2)))
    log = SourceSkew(Served.LOG, 12, 10, 3, mismatches=mismatches)
    assert skew(checked(PERMUTED, log, threshold=0.1)) == (
        "Served features: mismatches. 2 of 2,000 entities differ in the online store; 10 of 12 entities differ in the "
        "log of predictions, 3 without a whole row; allowed are 10%. Features that differ: d (9), a (2), b (2), and 2 "
        "more. Checked on 2024-04-01 at 08:30 UTC."
    )


def test_what_differs_within_the_threshold_is_named_all_the_same() -> None:
    found = skew(checked(PERMUTED, threshold=0.01))
    assert found.startswith("Served features: agrees. 2 of 2,000 entities differ")
    assert "allowed are 1%. Features that differ: watch_hours_30d (2)." in found


def test_a_check_decides_nothing() -> None:
    with_it, without = (
        RunRecord.of(replace(finished(), skew=check)).model_dump(exclude={"skew"})
        for check in (checked(PERMUTED), None)
    )
    assert with_it == without


def test_a_model_in_use_that_was_split_by_other_groups_is_said_not_to_be_judged() -> None:
    passed = PassedOver("2", JANUARY, FEBRUARY, "split by rows")
    found = model_note(record(performance=replace(measured(0.8, 0.8), passed_over=passed)))
    assert found.startswith("The training of the model in use (v2) was split by rows, and the monitor has other groups")
    assert found.endswith("so that it cannot be judged; judged is v1, trained on January 2024.")
