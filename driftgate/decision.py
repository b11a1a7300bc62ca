"""The retrain decision: results and policy in, decision with its reasons out. Pure."""

import math
from dataclasses import dataclass
from enum import StrEnum

from driftgate.drift.result import DriftResult, TargetDrift
from driftgate.errors import MissingSignalError


class Verdict(StrEnum):
    """What to do."""

    RETRAINING_TRIGGERED = "RETRAINING_TRIGGERED"
    NO_ACTION = "NO_ACTION"


@dataclass(frozen=True)
class Policy:
    """When to retrain. Both thresholds are reached by values equal to them."""

    drift_share: float
    target_drift: float | None = None
    simulated: bool = True


@dataclass(frozen=True)
class Decision:
    """The verdict with the comparisons it rests on, the deciding one first."""

    verdict: Verdict
    reasons: tuple[str, ...]
    simulated: bool = True

    @property
    def label(self) -> str:
        """The verdict as it is printed: a trigger that starts nothing says so."""
        suffix = " (SIMULATED)" if self.simulated and self.verdict is Verdict.RETRAINING_TRIGGERED else ""
        return f"{self.verdict}{suffix}"


def decide(drift: DriftResult, target: TargetDrift, policy: Policy) -> Decision:
    """Decide from the share of drifted features and, where the policy has a threshold for it, the target drift.

    Raises:
        MissingSignalError: the verdict hangs on a target drift that is not computable.
    """
    share = drift.drift_share
    reached = [share >= policy.drift_share]
    reasons = [compared("drift_share", share, policy.drift_share)]
    if policy.target_drift is not None and target.computable:
        # Of two rates that were subtracted: 0.30 - 0.25 is a bit below 0.05.
        close = math.isclose(target.abs_diff, policy.target_drift, rel_tol=1e-9)
        diff = policy.target_drift if close else target.abs_diff
        reached.append(diff >= policy.target_drift)
        reasons.append(compared("target_drift", diff, policy.target_drift))
    if not any(reached) and policy.target_drift is not None and not target.computable:
        raise MissingSignalError(
            f"target_threshold is {policy.target_drift} and the target drift is not computable: {target.reason}",
            remedy="load the labels of both periods, or remove target_threshold from the monitor",
        )
    verdict = Verdict.RETRAINING_TRIGGERED if any(reached) else Verdict.NO_ACTION
    if any(reached):
        reasons.sort(key=lambda reason: ">=" not in reason)
    return Decision(verdict, tuple(reasons), policy.simulated)


def compared(name: str, value: float, threshold: float) -> str:
    """The comparison in words, with as many digits as it takes for the two numbers not to look alike.

    >>> compared("drift_share", 1 / 14, 0.3)
    'drift_share=0.07 < 0.30'
    >>> compared("drift_share", 0.2999, 0.3)
    'drift_share=0.2999 < 0.3000'
    """
    sign = ">=" if value >= threshold else "<"
    for digits in range(2, 12):
        left, right = f"{value:.{digits}f}", f"{threshold:.{digits}f}"
        if value == threshold or left != right:
            break
    else:
        left, right = repr(value), repr(threshold)
    return f"{name}={left} {sign} {right}"
