"""The retrain decision: results and policy in, decision with its reasons out. Pure."""

import math
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from driftgate.drift.past import Explained, Known
from driftgate.drift.result import DriftResult, TargetDrift
from driftgate.errors import MissingSignalError
from driftgate.performance.interval import Interval, bounds, distinct, money
from driftgate.performance.result import Gain, Performance, PerformanceState, not_measured

PERFORMANCE_KEY = "performance_drop"
"""The key of the threshold of the signal that the model gives; its name says the measure."""


class Verdict(StrEnum):
    """What to do."""

    RETRAINING_TRIGGERED = "RETRAINING_TRIGGERED"
    NO_ACTION = "NO_ACTION"


class HeldBack(StrEnum):
    """Which rule keeps a signal from becoming a trigger."""

    CHAMPION_KNOWS = "champion_knows"
    SEASONAL = "seasonal"
    USUAL = "usual"
    NO_GAIN = "no_gain"
    NOT_WORTH_IT = "not_worth_it"
    CONFIRMATIONS = "confirmations"
    COOLDOWN = "cooldown"


NO_NEWS = (HeldBack.SEASONAL, HeldBack.USUAL)
"""Rules of the monitor's own past; a signal that one of them holds back confirms no later one."""


@dataclass(frozen=True)
class Costs:
    """What a retraining costs, and what it costs not to retrain, in the same money.

    Attributes:
        retraining: of one.
        error: of one unit of the measure that decides, lost for one entity in one month.
        payback_months: a retraining is worth it where the upper end of its gain may pay for it in so many months.
    """

    retraining: float
    error: float
    payback_months: int = 12

    def of_waiting(self, gain: Gain, entities: int) -> Interval | None:
        """What one month without the gain costs: gain times error cost times entities; None without a gain."""
        if not gain.computed:
            return None
        value, low, high = (end * self.error * entities for end in (gain.value, gain.low, gain.high))
        return Interval(value, low, high)


@dataclass(frozen=True)
class Policy:
    """When to retrain, and what a trigger does.

    Attributes:
        drift_share, target_drift: reached by values equal to them; None for no say.
        performance_drop: exceeded by a greater drop of the measure that decides whose interval excludes zero: a fall of
            the AUC, or a rise of the RMSE in parts of the reference's.
        retrain: "simulated", "deployment" or "off".
        confirmations, window: so many of the last so many runs, this one included, must signal.
        cooldown_days: days of data after a trigger in which there is no other.
        signal_level: a drop or a target drift triggers where chance gives one as large at most this often.
        require_gain: whether a measured gain of retraining that is not surely positive, or does not pay for the
            retraining, keeps a signal from triggering.
        costs: None where they are not known.
    """

    drift_share: float
    target_drift: float | None = None
    performance_drop: float = 0.05
    retrain: str = "simulated"
    confirmations: int = 1
    window: int = 1
    cooldown_days: int = 0
    signal_level: float = 0.005
    require_gain: bool = False
    costs: Costs | None = None


@dataclass(frozen=True)
class Earlier:
    """What an earlier month's run said.

    Attributes:
        signalled: whether a signal was beyond its threshold.
        triggered: whether that led to a trigger.
    """

    as_of_cur: date
    signalled: bool
    triggered: bool


@dataclass(frozen=True)
class History:
    """What is known from before.

    Attributes:
        earlier: one run for each earlier month, newest first.
        champion_trained_on: the month of the champion, or None.
        champion: its version, or None.
        explained: the signals of the month that the monitor's own past explains.
    """

    earlier: tuple[Earlier, ...] = ()
    champion_trained_on: date | None = None
    champion: str | None = None
    explained: tuple[Explained, ...] = ()


@dataclass(frozen=True)
class PastDecision:
    """An earlier decision of the same pair of months.

    Attributes:
        verdict: as it was printed.
        champion: the version that served at that time, or None.
        reason_codes: as `Decision.reason_codes`.
        withdrawn: whether the data could no longer be judged later.
        pending: whether labels of the month were awaited; None where a release before kept no such thing.
    """

    decided_at: datetime
    verdict: str
    champion: str | None
    reason_codes: tuple[str, ...]
    withdrawn: bool
    pending: bool | None = None


@dataclass(frozen=True)
class Signal:
    """One figure that can trigger, held against its threshold.

    Attributes:
        name: the figure.
        key: of the threshold in monitors.toml.
        value: NaN where there is none yet.
        text: the comparison in words.
        certain: whether a threshold low enough would be reached; not so for a fall that may be chance.
    """

    name: str
    key: str
    value: float
    threshold: float
    reached: bool
    text: str
    certain: bool = True


@dataclass(frozen=True)
class Decision:
    """The verdict with the comparisons it rests on, the deciding ones first.

    Attributes:
        signals: every figure that could trigger.
        held_back: why a signal did not become a trigger, or empty.
        retrain: what a trigger does.
        held_back_code: the rule that `held_back` puts into words; None where there is none.
        champion_trained_on: month of the champion that the decision knew of, or None.
        champion: that champion's version, or None.
        waiting: what a month without a retraining costs; None where costs or gain are not known.
        explained: those of the signals that the monitor's own past explains, whether or not that holds them back.
    """

    verdict: Verdict
    signals: tuple[Signal, ...]
    held_back: str = ""
    retrain: str = "simulated"
    held_back_code: HeldBack | None = None
    champion_trained_on: date | None = None
    champion: str | None = None
    waiting: Interval | None = None
    explained: tuple[Explained, ...] = ()

    @property
    def reason_codes(self) -> tuple[str, ...]:
        """The rule that holds it back, where one does, and the names of the figures beyond their thresholds."""
        held = (str(self.held_back_code),) if self.held_back_code else ()
        return held + tuple(signal.name for signal in self.signals if signal.reached)

    @property
    def reasons(self) -> tuple[str, ...]:
        """In words."""
        held = (f"held back: {self.held_back}",) if self.held_back else ()
        return held + tuple(signal.text for signal in self.signals)

    @property
    def signalled(self) -> bool:
        """Whether a figure is beyond its threshold."""
        return any(signal.reached for signal in self.signals)

    def reached(self, name: str) -> bool:
        """Whether the figure of that name is beyond its threshold."""
        return any(signal.reached for signal in self.signals if signal.name == name)

    @property
    def triggered(self) -> bool:
        """Whether to retrain."""
        return self.verdict is Verdict.RETRAINING_TRIGGERED

    @property
    def label(self) -> str:
        """The verdict as it is printed: a trigger that starts nothing says so."""
        suffix = {"simulated": " (SIMULATED)", "off": " (RETRAIN OFF)"}.get(self.retrain, "")
        return f"{self.verdict}{suffix if self.triggered else ''}"


def decide(
    drift: DriftResult,
    target: TargetDrift,
    policy: Policy,
    performance: Performance | None = None,
    history: History | None = None,
) -> Decision:
    """Decide from the share of drifted features, the target drift where it has a threshold, and the performance.

    Raises:
        MissingSignalError: the verdict hangs on a target drift that is not computable.
    """
    performance = performance or not_measured(PerformanceState.OFF, "")
    signals = [
        _reached_from("drift_share", "threshold", drift.drift_share, policy.drift_share),
        *_target_signals(target, policy),
        *_performance_signals(performance, policy),
    ]
    reached = {signal.name for signal in signals if signal.reached}
    signalled = bool(reached)
    if not signalled and policy.target_drift is not None and not target.computable and not target.pending:
        raise MissingSignalError(
            f"target_threshold is {policy.target_drift} and the target drift is not computable: {target.reason}",
            remedy="load the labels of both periods, or remove target_threshold from the monitor",
        )
    history = history or History()
    waiting = policy.costs.of_waiting(performance.gain, drift.rows_cur) if policy.costs else None
    explained = tuple(item for item in history.explained if item.signal in reached)
    code, held = None, ""
    if signalled:
        code, held = (
            _champion_knows(history, drift.as_of_cur)
            or _no_news(signals, explained, performance)
            or _held_back(policy, history, drift.as_of_cur, performance.gain, waiting)
        )
    verdict = Verdict.RETRAINING_TRIGGERED if signalled and code is None else Verdict.NO_ACTION
    # Stable: among the reached ones the share of features stays first.
    signals.sort(key=lambda signal: not signal.reached)
    champion = history.champion_trained_on, history.champion
    return Decision(verdict, tuple(signals), held, policy.retrain, code, *champion, waiting, explained)


def _target_signals(target: TargetDrift, policy: Policy) -> list[Signal]:
    if policy.target_drift is None:
        return []
    if not target.computable:
        text = f"target_drift {target.reason}"
        return [Signal("target_drift", "target_threshold", math.nan, policy.target_drift, False, text)]
    # Of two rates that were subtracted: 0.30 - 0.25 is a bit below 0.05.
    close = math.isclose(target.abs_diff, policy.target_drift, rel_tol=1e-9)
    value = policy.target_drift if close else target.abs_diff
    signal = _reached_from("target_drift", "target_threshold", value, policy.target_drift)
    assert not math.isnan(target.p_value), "what is computable has been tested"
    certain = target.p_value <= policy.signal_level
    text = signal.text if certain or not signal.reached else signal.text + _by_chance(target.p_value, policy)
    return [replace(signal, reached=signal.reached and certain, text=text, certain=certain)]


def _performance_signals(performance: Performance, policy: Policy) -> list[Signal]:
    if performance.state is PerformanceState.OFF:
        return []
    threshold, name = policy.performance_drop, performance.rule.signal
    if not performance.measured:
        return [Signal(name, PERFORMANCE_KEY, math.nan, threshold, False, f"{name} {performance.reason}")]
    drop, (low, high) = performance.drop, performance.drop_interval
    certain = drop > 0.0 and performance.change.p_value <= policy.signal_level
    text = f"{compared(name, drop, threshold, '>')} {bounds(low, high)}"
    if drop > threshold and not certain:
        text += " which holds 0" if low <= 0.0 else _by_chance(performance.change.p_value, policy)
    return [Signal(name, PERFORMANCE_KEY, drop, threshold, drop > threshold and certain, text, certain)]


def _by_chance(p_value: float, policy: Policy) -> str:
    return f", and chance gives as much with p={p_value:.2g} > {policy.signal_level:.2g}"


def _champion_knows(history: History, as_of_cur: date) -> tuple[HeldBack, str] | None:
    trained = history.champion_trained_on
    if trained is None or trained < as_of_cur:
        return None
    return HeldBack.CHAMPION_KNOWS, f"the champion was trained on {trained} and knows this shift"


def _no_news(
    signals: list[Signal], explained: tuple[Explained, ...], performance: Performance
) -> tuple[HeldBack, str] | None:
    """The rule and its words where the monitor's own past explains every signal; None where it does not.

    A model that is surely worse is always news. A move of a usual size may lead further away each month, so that it is
    no news only where the model was measured.
    """
    names = {item.signal for item in explained if item.known is Known.SEASONAL or performance.measured}
    worse = any(signal.key == PERFORMANCE_KEY and signal.certain and signal.value > 0.0 for signal in signals)
    if worse or not names.issuperset(signal.name for signal in signals if signal.reached):
        return None
    code = HeldBack.SEASONAL if all(item.known is Known.SEASONAL for item in explained) else HeldBack.USUAL
    return code, f"{code}: {'; '.join(item.text for item in explained)}"


def _held_back(
    policy: Policy, history: History, as_of_cur: date, gain: Gain, waiting: Interval | None
) -> tuple[HeldBack | None, str]:
    """Why a signal that is news does not become a trigger, also in words; None and empty where it does."""
    if policy.require_gain and gain.computed and not gain.surely_positive:
        return HeldBack.NO_GAIN, f"a model trained on this month is not surely better: gain {gain.text}"
    if policy.require_gain and policy.costs and waiting and (words := _too_dear(policy.costs, waiting)):
        return HeldBack.NOT_WORTH_IT, words
    signals = 1 + sum(run.signalled for run in history.earlier[: policy.window - 1])
    if signals < policy.confirmations:
        words = f"{signals} of the last {policy.window} runs signals, {policy.confirmations} needed"
        return HeldBack.CONFIRMATIONS, words
    for run in history.earlier:
        days = (as_of_cur - run.as_of_cur).days
        if run.triggered and days < policy.cooldown_days:
            words = f"{run.as_of_cur} triggered {days} days before, cooldown_days is {policy.cooldown_days}"
            return HeldBack.COOLDOWN, words
    return None, ""


def _too_dear(costs: Costs, waiting: Interval) -> str:
    """Why a retraining would not pay for itself in time, even at the upper end of its gain; empty where it might."""
    most = waiting.high * costs.payback_months
    if most >= costs.retraining:
        return ""
    saved = f"would save at most {money(most)} in {costs.payback_months} months"
    return f"a retraining costs {money(costs.retraining)} and {saved}"


def _reached_from(name: str, key: str, value: float, threshold: float) -> Signal:
    return Signal(name, key, value, threshold, value >= threshold, compared(name, value, threshold))


def compared(name: str, value: float, threshold: float, sign: str = ">=") -> str:
    """The comparison in words, with as many digits as it takes for the two numbers not to look alike.

    Args:
        name: of the figure.
        value, threshold: two numbers.
        sign: what triggers, ">=" or ">".

    >>> compared("drift_share", 1 / 14, 0.3)
    'drift_share=0.07 < 0.30'
    >>> compared("drift_share", 0.2999, 0.3)
    'drift_share=0.2999 < 0.3000'
    >>> compared("auc_drop", 0.05, 0.05, ">")
    'auc_drop=0.05 <= 0.05'
    """
    holds = value > threshold or (value == threshold and sign == ">=")
    shown = sign if holds else {">=": "<", ">": "<="}[sign]
    # z: a small negative number is not printed as minus zero.
    left, right = distinct(value, threshold, lambda number, more: f"{number:z.{2 + more}f}")
    return f"{name}={left} {shown} {right}"


def flips(decision: Decision) -> tuple[str, ...]:
    """What would have to be set otherwise for the other verdict, the smallest change first; empty where nothing would.

    For NO_ACTION one of the changes is enough. For a trigger all of them are needed. A decision that was held back does
    not hang on a threshold.
    """
    if decision.held_back:
        return ()
    changes: list[tuple[float, str]] = []
    for signal in decision.signals:
        if signal.reached != decision.triggered or not math.isfinite(signal.value):
            continue
        change = abs(signal.value - signal.threshold)
        if decision.triggered:
            changes.append((change, f"{signal.key} above {signal.value:.4f} (now {signal.threshold:g})"))
        elif signal.certain and signal.value > 0:
            word = "below" if signal.key == PERFORMANCE_KEY else "of at most"
            changes.append((change, f"{signal.key} {word} {signal.value:.4f} (now {signal.threshold:g})"))
    return tuple(text for _, text in sorted(changes))
