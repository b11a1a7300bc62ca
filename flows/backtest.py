"""The backtest on loaded months: what is kept of them is read, and every policy is replayed. It needs no Prefect."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from driftgate.backtest.evidence import Evidence
from driftgate.backtest.kept import Kept
from driftgate.backtest.replay import Track
from driftgate.backtest.result import Backtest, backtest
from driftgate.drift.comparison import Side
from driftgate.errors import DataError, UnknownMonthError, bounded
from driftgate.monitors import Monitor
from driftgate.performance.evaluate import why_unusable
from driftgate.planning import policy_of
from driftgate.profiles.landing import Landing
from flows.runtime.environment import Runtime, feature_worker

LEAST_MONTHS = 3
"""The first is trained on, the second is decided upon, and the third shows whether that was right."""


def run_backtest(runtime: Runtime, monitor: Monitor, start: date | None, end: date | None, track: Track) -> Backtest:
    """Replay every policy over the loaded months of a monitor that have labels.

    Args:
        start, end: the first and the last month; by default all.
        track: shows how far it is.

    Raises:
        UnknownMonthError: fewer than three months are loaded.
        DataError: fewer than three of them have labels to learn from, or a model cannot be fitted.
        NoVerdictError: the monitor has no verdict on one of the months.
        DatabaseError: a database fails.
    """
    asked = (start or date.min, end or date.max)
    months = [month for month in runtime.months(monitor) if asked[0] <= month <= asked[1]]
    if len(months) < LEAST_MONTHS:
        raise UnknownMonthError(
            f"{len(months)} months are loaded{' in that time' if start or end else ''}: {bounded(map(str, months))}",
            allowed=f"at least {LEAST_MONTHS}",
            remedy="load more months, or leave --from and --to out",
        )
    with runtime.scratch() as folder:
        sides, left_out = _labelled_months(runtime, monitor, months, folder, track)
        kept = Kept(runtime.settings.driftgate_home / "backtest" / monitor.name)
        evidence = Evidence(monitor, policy_of(monitor), sides, folder, kept)
        found = backtest(monitor, evidence.scores(track), evidence.decide, left_out, track)
        kept.delete_others()
        return found


def _labelled_months(
    runtime: Runtime, monitor: Monitor, months: Sequence[date], folder: Path, track: Track
) -> tuple[tuple[Side, ...], dict[date, str]]:
    """The months with labels to learn from, and why each other one is left out."""
    worker, repo = feature_worker(runtime.parameters), runtime.repository(monitor)
    states = worker.month_states(repo, monitor, months)
    landing = runtime.landing(monitor, logging.getLogger(__name__).info, states)
    sides: list[Side] = []
    left_out: dict[date, str] = {}
    for month in track(months, "reading"):
        labels = worker.read_labels(repo, monitor, states[month].size, folder / f"labels_{month}.arrow")
        if reason := why_unusable(labels):
            left_out[month] = reason.removeprefix(f"{month}: ")
            continue
        landed = landing.land([month])[month]
        previous = sides[-1].size.as_of if sides else None
        features = landed.features(previous, folder / f"features_{month}.arrow")
        sides.append(Side(states[month].size, features, labels, landed.profile))
    if len(sides) < LEAST_MONTHS:
        reasons = bounded(f"{month}: {reason}" for month, reason in left_out.items())
        raise DataError(
            f"{len(sides)} of {len(months)} loaded months can be learnt from; left out are {reasons}",
            allowed=f"at least {LEAST_MONTHS} months with labels",
            remedy="load the labels of more months",
        )
    return tuple(_on_one_grid(landing, sides)), left_out


def _on_one_grid(landing: Landing, sides: Sequence[Side]) -> list[Side]:
    """The months with their profiles counted alike, where a month has renewed the grid meanwhile."""
    newest = sides[-1].profile.grid
    old = [side.size.as_of for side in sides if side.profile.grid not in ("", newest)]
    if not old:
        return list(sides)
    landed = landing.land(old)
    return [
        replace(side, profile=landed[side.size.as_of].profile) if side.size.as_of in landed else side for side in sides
    ]
