"""A backtest of eight months, in the fourth of which the features begin to mean something else."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from driftgate.backtest.replay import Scores
from driftgate.backtest.result import Backtest, backtest
from driftgate.decision import PERFORMANCE_KEY, Decision, History, Signal, Verdict
from driftgate.measures import MEASURES
from driftgate.monitors import Monitor
from tests.performance.months import monitor

DAYS = tuple(date(2024, month, 28) for month in range(1, 9))


def replayed(heeds: bool = True, measure: str = "auc", rules: Monitor | None = None, **changes: Any) -> Backtest:
    """The backtest of a monitor that heeds the change at once, or never.

    Args:
        heeds: which of the two.
        measure: that decides.
        rules: the monitor; by default one without costs.
        changes: other fields of the result.
    """
    values = np.full((8, 8), 0.6)
    values[:3, :3] = values[3:, 3:] = 0.9
    if MEASURES[measure].lower_is_better:
        values = 1.5 - values
    values[np.tril_indices(8)] = np.nan
    scores = Scores(DAYS, (2000,) * 8, MEASURES[measure], values)

    def decide(trained: int, month: int, history: History | None) -> Decision:
        worse = trained < 3 <= month
        signals = (
            Signal("drift_share", "threshold", 0.0, 0.3, False, ""),
            Signal(MEASURES[measure].signal, PERFORMANCE_KEY, 0.3 * worse, 0.05, worse, ""),
        )
        return Decision(Verdict.RETRAINING_TRIGGERED if worse and heeds else Verdict.NO_ACTION, signals)

    return replace(backtest(rules or monitor(), scores, decide), **changes)
