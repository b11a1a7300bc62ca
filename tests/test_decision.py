"""The decision, over all inputs: when it triggers, that it is monotone, and that its words agree with its numbers."""

import math
import re
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from driftgate.decision import Costs, Earlier, HeldBack, History, Policy, Verdict, compared, decide, flips
from driftgate.drift.past import Explained, Known
from driftgate.drift.result import ColumnResult, ColumnState, DriftResult, TargetDrift
from driftgate.errors import MissingSignalError
from driftgate.performance.interval import Interval
from driftgate.performance.result import Change, Gain, NoGain, Performance, PerformanceState, not_measured
from tests.reports.runs import erring

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


gains = st.builds(
    lambda low, width: Gain(low + width / 2, low, low + width, 700), st.floats(-0.5, 0.5), st.floats(1e-6, 0.5)
) | st.sampled_from(NoGain).map(lambda code: Gain(code=code, reason="no labels"))


@given(gains, st.booleans(), st.integers(0, 14))
def test_only_a_measured_gain_that_is_not_surely_positive_holds_back_and_only_where_it_is_wanted(
    gain: Gain, wanted: bool, drifted: int
) -> None:
    found = Performance(PerformanceState.MEASURED, measures={"auc": Change(0.8, 0.8, -0.01, 0.01, 0.9)}, gain=gain)
    policy = Policy(0.3, require_gain=wanted)
    decision = decide(drift(drifted, 14), target(0.0), policy, found)
    without = decide(drift(drifted, 14), target(0.0), replace(policy, require_gain=False), found)
    held = wanted and without.triggered and gain.computed and gain.low <= 0.0
    assert (decision.held_back_code is HeldBack.NO_GAIN) == held
    assert decision.triggered == (without.triggered and not held)
    assert decision.signals == without.signals
    if held:
        assert gain.text in decision.held_back and decision.reason_codes[0] == "no_gain"


@given(gains, st.booleans(), st.floats(1.0, 1e5), st.floats(0.01, 1e3), st.integers(1, 36))
def test_a_retraining_that_cannot_pay_for_itself_is_held_back_where_a_gain_is_wanted(
    gain: Gain, wanted: bool, retraining: float, error: float, months: int
) -> None:
    found = Performance(PerformanceState.MEASURED, measures={"auc": Change(0.8, 0.8, -0.01, 0.01, 0.9)}, gain=gain)
    costs = Costs(retraining, error, months)
    policy = Policy(0.3, require_gain=wanted, costs=costs)
    decision = decide(drift(5, 14), target(0.0), policy, found)
    without = decide(drift(5, 14), target(0.0), replace(policy, costs=None), found)
    dear = gain.computed and gain.high * error * 10 * months < retraining
    assert (decision.held_back_code is HeldBack.NOT_WORTH_IT) == (wanted and without.triggered and dear)
    assert decision.triggered == (without.triggered and not (wanted and dear))
    if not gain.computed:
        assert decision.waiting is None
    else:
        assert decision.waiting is not None and decision.waiting.value == gain.value * error * 10
        assert decision.waiting.low <= decision.waiting.value <= decision.waiting.high
    assert without.waiting is None


def test_what_waiting_costs_is_gain_times_error_cost_times_entities() -> None:
    gain = Gain(0.1, 0.08, 0.12, 700)
    found = Performance(PerformanceState.MEASURED, measures={"auc": Change(0.8, 0.6, -0.25, -0.15, 0.001)}, gain=gain)
    dear, cheap = (
        decide(drift(0, 14), target(0.0), Policy(0.3, require_gain=True, costs=Costs(cost, 50.0, 12)), found)
        for cost in (721.0, 719.0)
    )
    assert cheap.triggered and cheap.waiting == Interval(50.0, 40.0, 60.0)
    assert not dear.triggered and dear.reason_codes == ("not_worth_it", "auc_drop")
    assert dear.held_back == "a retraining costs 721 and would save at most 720 in 12 months"


def test_a_champion_that_knows_the_month_comes_before_the_gain() -> None:
    found = Performance(PerformanceState.OFF, gain=Gain(0.0, -0.1, 0.1, 700))
    history = History(champion_trained_on=date(2024, 2, 29))
    decision = decide(drift(14, 14), target(0.0), Policy(0.3, require_gain=True), found, history)
    assert decision.held_back_code is HeldBack.CHAMPION_KNOWS


explanations = st.lists(
    st.builds(
        Explained,
        st.sampled_from(["drift_share", "target_drift", "auc_drop"]),
        st.sampled_from(Known),
        st.just("as then"),
    ),
    unique_by=lambda item: item.signal,
).map(tuple)


@given(explanations, st.integers(0, 14), st.sampled_from([0.0, 0.2]), st.sampled_from([None, -0.1, 0.0, 0.03, 0.2]))
def test_only_signals_of_the_data_that_are_all_explained_are_held_back_while_the_model_holds(
    explained: tuple[Explained, ...], drifted: int, diff: float, drop: float | None
) -> None:
    found = Performance(PerformanceState.OFF)
    if drop is not None:
        auc = Change(0.8, 0.8 - drop, -drop - 0.01, -drop + 0.01, 0.9 if drop <= 0.0 else 0.001)
        found = Performance(PerformanceState.MEASURED, measures={"auc": auc})
    given_all = (drift(drifted, 14), target(diff), Policy(0.3, 0.1), found)
    decision, without = decide(*given_all, History(explained=explained)), decide(*given_all)
    known = {item.signal for item in explained if item.known is Known.SEASONAL or drop is not None}
    reached = {signal.name for signal in without.signals if signal.reached}
    held = without.triggered and reached <= known and not (drop is not None and drop > 0.0)
    assert decision.triggered == (without.triggered and not held) and decision.signals == without.signals
    assert {item.signal for item in decision.explained} == reached & {item.signal for item in explained}
    if held:
        usual = any(item.known is Known.USUAL for item in decision.explained)
        assert decision.held_back_code is (HeldBack.USUAL if usual else HeldBack.SEASONAL)
        assert decision.held_back.startswith(f"{decision.held_back_code}: as then")
        assert decision.reason_codes[0] == decision.held_back_code and not flips(decision)


def test_what_is_no_news_comes_after_a_champion_that_knows_it_and_before_the_gain() -> None:
    found = Performance(
        PerformanceState.MEASURED,
        measures={"auc": Change(0.8, 0.8, -0.01, 0.01, 0.9)},
        gain=Gain(0.0, -0.1, 0.1, 700),
    )
    season = (Explained("drift_share", Known.SEASONAL, "as then"),)
    for history, code in (
        (History(explained=season), HeldBack.SEASONAL),
        (History(champion_trained_on=date(2024, 2, 29), explained=season), HeldBack.CHAMPION_KNOWS),
    ):
        decision = decide(drift(14, 14), target(0.0), Policy(0.3, require_gain=True), found, history)
        assert decision.held_back_code is code


def target(diff: float) -> TargetDrift:
    return TargetDrift(0.0, diff, 1.0, 1.0, "no labels for the period" if math.isnan(diff) else "", p_value=0.0)


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
        assert decision.reasons[1] == "target_drift no labels for the period"
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
    falling = TargetDrift(0.9, 0.1, 1.0, 1.0, p_value=0.0)
    assert decide(drift(0, 3), falling, Policy(1.0, 0.5)).verdict is Verdict.RETRAINING_TRIGGERED


@pytest.mark.parametrize(
    ("retrain", "label"),
    [
        ("simulated", "RETRAINING_TRIGGERED (SIMULATED)"),
        ("deployment", "RETRAINING_TRIGGERED"),
        ("off", "RETRAINING_TRIGGERED (RETRAIN OFF)"),
    ],
)
def test_only_a_trigger_that_starts_nothing_says_so(retrain: str, label: str) -> None:
    assert decide(drift(3, 3), target(0), Policy(0.3, retrain=retrain)).label == label
    assert decide(drift(0, 3), target(0), Policy(0.3, retrain=retrain)).label == "NO_ACTION"


def test_labels_that_may_still_come_are_a_reason_and_no_error() -> None:
    pending = TargetDrift(0.2, math.nan, 1.0, 0.43, "2024-02-29: pending, 43% labelled", pending=True)
    decision = decide(drift(1, 14), pending, Policy(0.3, 0.05))
    assert decision.verdict is Verdict.NO_ACTION
    assert decision.reasons == ("drift_share=0.07 < 0.30", "target_drift 2024-02-29: pending, 43% labelled")


def performance(drop: float, low: float, high: float) -> Performance:
    auc = Change(0.8, 0.8 - drop, -high, -low, 0.001 if low > 0 else 0.2)
    return Performance(PerformanceState.MEASURED, version="1", trained_on=date(2024, 1, 31), measures={"auc": auc})


@pytest.mark.parametrize(
    ("drop", "low", "high", "reason"),
    [
        (0.32, 0.29, 0.35, "auc_drop=0.32 > 0.05 [0.29, 0.35]"),
        (0.06, -0.01, 0.13, "auc_drop=0.06 > 0.05 [-0.01, 0.13] which holds 0"),
        (0.02, 0.01, 0.03, "auc_drop=0.02 <= 0.05 [0.01, 0.03]"),
        (-0.2, -0.3, -0.1, "auc_drop=-0.20 <= 0.05 [-0.30, -0.10]"),
    ],
)
def test_the_auc_triggers_where_it_falls_and_surely_so(drop: float, low: float, high: float, reason: str) -> None:
    decision = decide(drift(1, 14), target(0.0), Policy(0.3), performance(drop, low, high))
    assert decision.triggered == (drop == 0.32)
    assert reason in decision.reasons
    assert (decision.reasons[0] == reason) == decision.triggered


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 0.99))
def test_the_auc_triggers_exactly_by_drop_and_interval(drop: float, below: float, above: float, least: float) -> None:
    found = performance(drop, drop - abs(below), drop + above)
    low = found.drop_interval[0]
    decision = decide(drift(0, 3), target(0.0), Policy(0.3, performance_drop=least), found)
    assert decision.triggered == (found.drop > least and low > 0)


def test_a_performance_that_is_pending_is_a_reason() -> None:
    waiting = not_measured(PerformanceState.PENDING, "pending, 43% labelled")
    decision = decide(drift(0, 3), target(0.0), Policy(0.3), waiting)
    assert decision.reasons == ("drift_share=0.00 < 0.30", "auc_drop pending, 43% labelled")


JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)  # FEBRUARY is the month that `drift` judges


@pytest.mark.parametrize("trained_on", [FEBRUARY, date(2024, 3, 31)])
def test_what_the_champion_was_trained_on_does_not_trigger_again(trained_on: date) -> None:
    decision = decide(drift(3, 3), target(0.0), Policy(0.3), history=History(champion_trained_on=trained_on))
    assert decision.verdict is Verdict.NO_ACTION
    assert decision.signalled
    assert decision.reasons[0] == f"held back: the champion was trained on {trained_on} and knows this shift"
    older = decide(drift(3, 3), target(0.0), Policy(0.3), history=History(champion_trained_on=JANUARY))
    assert older.triggered and not older.held_back


@given(st.lists(st.booleans(), max_size=8), st.integers(1, 6), st.integers(1, 6))
def test_confirmations_count_signals_in_the_window(signals: list[bool], needed: int, window: int) -> None:
    assume(needed <= window)
    months = [date(2024, 1, 31) - timedelta(days=30 * n) for n in range(len(signals))]
    earlier = tuple(Earlier(month, signal, False) for month, signal in zip(months, signals, strict=True))
    decision = decide(
        drift(3, 3), target(0.0), Policy(0.3, confirmations=needed, window=window), None, History(earlier)
    )
    assert decision.triggered == (1 + sum(signals[: window - 1]) >= needed)
    quiet = decide(drift(0, 3), target(0.0), Policy(0.3, confirmations=needed, window=window), None, History(earlier))
    assert not quiet.triggered and not quiet.held_back


@pytest.mark.parametrize(("cooldown", "triggers"), [(0, True), (29, True), (30, False), (90, False)])
def test_the_cooldown_is_counted_in_days_of_data_since_a_trigger(cooldown: int, triggers: bool) -> None:
    history = History((Earlier(JANUARY, True, True),))  # 29 days before
    decision = decide(drift(3, 3), target(0.0), Policy(0.3, cooldown_days=cooldown), None, history)
    assert decision.triggered == triggers
    only_signalled = History((Earlier(JANUARY, True, False),))
    assert decide(drift(3, 3), target(0.0), Policy(0.3, cooldown_days=cooldown), None, only_signalled).triggered


def test_flips_name_the_smallest_change_first_and_every_one_that_a_trigger_needs() -> None:
    calm = decide(drift(1, 10), target(0.04), Policy(0.3, 0.05), performance(0.04, 0.01, 0.07))
    assert flips(calm) == (
        "performance_drop below 0.0400 (now 0.05)",
        "target_threshold of at most 0.0400 (now 0.05)",
        "threshold of at most 0.1000 (now 0.3)",
    )
    alarmed = decide(drift(9, 10), target(0.04), Policy(0.3, 0.05), performance(0.32, 0.29, 0.35))
    assert flips(alarmed) == ("performance_drop above 0.3200 (now 0.05)", "threshold above 0.9000 (now 0.3)")


@given(counts, st.floats(0.001, 1), amounts, st.floats(0.001, 10))
def test_a_named_flip_flips(count: tuple[int, int], threshold: float, diff: float, target_threshold: float) -> None:
    decision = decide(drift(*count), target(diff), Policy(threshold, target_threshold))
    changed = {"threshold": threshold, "target_threshold": target_threshold}
    values = {signal.key: signal.value for signal in decision.signals}
    for text in flips(decision):
        key = text.split()[0]
        changed[key] = math.nextafter(values[key], math.inf) * (1 + 1e-8) if decision.triggered else values[key]
        if not decision.triggered:
            break
    assume(flips(decision))
    other = decide(drift(*count), target(diff), Policy(changed["threshold"], changed["target_threshold"]))
    assert other.triggered != decision.triggered


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


@pytest.mark.parametrize(
    ("performance", "reached", "text"),
    [
        (erring(4.0, 6.0), True, "rmse_rise=0.50 > 0.05 [0.45, 0.55]"),
        (erring(4.0, 4.4, margin=0.15), False, "rmse_rise=0.10 > 0.05 [-0.05, 0.25] which holds 0"),
        (erring(4.0, 4.12), False, "rmse_rise=0.03 <= 0.05 [-0.02, 0.08]"),
        (erring(4.0, 2.0), False, "rmse_rise=-0.50 <= 0.05 [-0.55, -0.45]"),
    ],
    ids=["rises", "by chance", "calm", "falls"],
)
def test_an_error_triggers_by_its_rise(performance: Performance, reached: bool, text: str) -> None:
    found = decide(drift(0, 14), target(0.0), Policy(0.3), performance)
    (signal,) = [item for item in found.signals if item.key == "performance_drop"]
    assert (signal.reached, signal.text, found.triggered) == (reached, text, reached)
    assert not reached or flips(found) == ("performance_drop above 0.5000 (now 0.05)",)
