"""The decision, over all inputs: when it triggers, that it is monotone, and that its words agree with its numbers."""

import math
import re
from datetime import date

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from driftgate.decision import Decision, Policy, Verdict, compared, decide
from driftgate.drift.result import ColumnResult, ColumnState, DriftResult, TargetDrift
from driftgate.errors import MissingSignalError

shares = st.floats(0, 1)
# A threshold as people write it, or as arithmetic leaves it.
thresholds = st.one_of(shares, st.integers(0, 1000).map(lambda n: n / 1000))
amounts = st.floats(0, 1e6)
counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def drift(drifted: int, declared: int) -> DriftResult:
    columns = tuple(
        ColumnResult(f"f{n}", "view", "INT64", ColumnState.COMPARED, drifted=n < drifted) for n in range(declared)
    )
    return DriftResult(date(2024, 1, 31), date(2024, 2, 29), 10, 10, 10, 10, columns)


def target(diff: float) -> TargetDrift:
    return TargetDrift(0.0, diff, 1.0, 1.0, "no labels for the period" if math.isnan(diff) else "")


@given(counts, thresholds, amounts, st.none() | st.floats(0, 1e6, exclude_min=True))
def test_it_triggers_exactly_where_a_threshold_is_reached(
    count: tuple[int, int], threshold: float, diff: float, target_threshold: float | None
) -> None:
    decision = decide(drift(*count), target(diff), Policy(threshold, target_threshold))
    reached = count[0] / count[1] >= threshold or (
        target_threshold is not None and diff >= target_threshold * (1 - 1e-9)
    )
    assert (decision.verdict is Verdict.RETRAINING_TRIGGERED) == reached
    assert len(decision.reasons) == (1 if target_threshold is None else 2)
    if reached:
        assert ">=" in decision.reasons[0]
    else:
        assert not any(">=" in reason for reason in decision.reasons)


@given(counts, thresholds, thresholds, amounts, amounts, st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.data())
def test_more_drift_or_a_lower_threshold_never_takes_a_trigger_back(
    count: tuple[int, int],
    one: float,
    other: float,
    diff: float,
    more: float,
    target_one: float,
    target_other: float,
    data: st.DataObject,
) -> None:
    drifted, declared = count
    further = data.draw(st.integers(drifted, declared))
    mild = decide(drift(drifted, declared), target(diff), Policy(max(one, other), max(target_one, target_other)))
    severe = decide(
        drift(further, declared), target(diff + more), Policy(min(one, other), min(target_one, target_other))
    )
    assert (mild.verdict, severe.verdict) != (Verdict.RETRAINING_TRIGGERED, Verdict.NO_ACTION)


@given(counts, thresholds, amounts)
def test_without_a_target_threshold_the_target_changes_nothing(
    count: tuple[int, int], threshold: float, diff: float
) -> None:
    policy = Policy(threshold)
    assert decide(drift(*count), target(diff), policy) == decide(drift(*count), target(math.nan), policy)


@given(counts, thresholds, st.floats(1e-6, 1e6))
def test_a_target_that_is_not_computable_is_an_error_unless_the_features_trigger(
    count: tuple[int, int], threshold: float, target_threshold: float
) -> None:
    policy = Policy(threshold, target_threshold)
    if count[0] / count[1] >= threshold:
        decision = decide(drift(*count), target(math.nan), policy)
        assert decision.verdict is Verdict.RETRAINING_TRIGGERED
        assert len(decision.reasons) == 1
    else:
        with pytest.raises(MissingSignalError, match="no labels for the period"):
            decide(drift(*count), target(math.nan), policy)


@pytest.mark.parametrize(
    ("drifted", "declared", "threshold"), [(3, 10, 0.3), (1, 14, 1 / 14), (0, 5, 0.0), (7, 7, 1.0)]
)
def test_a_share_equal_to_the_threshold_triggers(drifted: int, declared: int, threshold: float) -> None:
    decision = decide(drift(drifted, declared), target(0.0), Policy(threshold))
    assert decision.verdict is Verdict.RETRAINING_TRIGGERED


@given(st.integers(0, 100), st.integers(1, 5))
def test_a_threshold_written_as_a_decimal_is_reached_by_the_same_fraction(percent: int, scale: int) -> None:
    threshold = float(f"{percent / 100:.2f}")
    decision = decide(drift(percent * scale, 100 * scale), target(0.0), Policy(threshold))
    assert decision.verdict is Verdict.RETRAINING_TRIGGERED


def test_a_target_equal_to_its_threshold_triggers_and_comes_first() -> None:
    decision = decide(drift(1, 14), target(0.25), Policy(0.3, 0.25))
    assert decision.verdict is Verdict.RETRAINING_TRIGGERED
    assert decision.reasons == ("target_drift=0.25 >= 0.25", "drift_share=0.07 < 0.30")


def test_features_come_first_where_both_trigger() -> None:
    decision = decide(drift(9, 14), target(0.25), Policy(0.3, 0.2))
    assert [reason.partition("=")[0] for reason in decision.reasons] == ["drift_share", "target_drift"]


def test_the_sign_of_the_target_drift_does_not_matter() -> None:
    falling = TargetDrift(0.9, 0.1, 1.0, 1.0)
    assert decide(drift(0, 3), falling, Policy(1.0, 0.5)).verdict is Verdict.RETRAINING_TRIGGERED


def test_only_a_trigger_that_starts_nothing_says_so() -> None:
    assert Decision(Verdict.RETRAINING_TRIGGERED, ()).label == "RETRAINING_TRIGGERED (SIMULATED)"
    assert Decision(Verdict.RETRAINING_TRIGGERED, (), simulated=False).label == "RETRAINING_TRIGGERED"
    assert (
        Decision(Verdict.NO_ACTION, ()).label == Decision(Verdict.NO_ACTION, (), simulated=False).label == "NO_ACTION"
    )
    triggered = decide(drift(3, 3), target(0), Policy(0.3, simulated=False))
    assert triggered.label == "RETRAINING_TRIGGERED"
    assert decide(drift(3, 3), target(0), Policy(0.3)).label == "RETRAINING_TRIGGERED (SIMULATED)"


@given(st.floats(0, 1e9), st.floats(0, 1e9))
@example(0.2999, 0.3)
@example(0.3, 0.30000000000000004)
@example(0.1 + 0.2, 0.3)
@example(1e-13, 2e-13)
@example(5e-324, 0.0)
def test_the_printed_comparison_never_contradicts_itself(value: float, threshold: float) -> None:
    text = compared("x", value, threshold)
    match = re.fullmatch(r"x=(\S+) (>=|<) (\S+)", text)
    assert match is not None, text
    left, sign, right = float(match[1]), match[2], float(match[3])
    assert (sign == ">=") == (value >= threshold)
    assert (left >= right) == (sign == ">="), text


@given(shares, shares)
def test_a_comparison_is_printed_with_at_least_two_digits(value: float, threshold: float) -> None:
    assume(abs(value - threshold) > 0.01)
    assert re.fullmatch(r"x=\d\.\d\d (>=|<) \d\.\d\d", compared("x", value, threshold))
