"""What the monitor's own past holds back, and what it does not: `python -m benchmarks.seasons`. Prints Markdown.

Each history is 36 months of fresh entities with six numbers and a boolean label, judged month by month as the monitor
does, with a target threshold. The model stays as good as it was, so that nothing but the data can trigger: that is
where the past could hide a change. The change that is planted moves two of the six features by half a standard
deviation, from a month on.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from driftgate.decision import Decision, History, decide
from driftgate.drift.comparison import Side, compare
from driftgate.drift.ledger import build_ledger, read_table
from driftgate.drift.past import PastPair
from driftgate.drift.seasons import Past, PastMonth, explain_signals
from driftgate.drift.target import target_drift
from driftgate.features.entities import MonthSize
from driftgate.features.labels import LabelMonth
from driftgate.features.types import DeclaredFeature, FeatureMonth, Kind
from driftgate.measures import LabelKind
from driftgate.monitors import Monitor
from driftgate.performance.result import Change, Performance, PerformanceState
from driftgate.planning import policy_of
from driftgate.profiles.build import measure_features

FEATURES = 6
DECLARED = tuple(DeclaredFeature(f"x{at}", "view", "FLOAT64", Kind.NUMERIC) for at in range(FEATURES))
MONITOR = Monitor.model_validate(
    {
        "name": "seasons",
        "feature_service": "s",
        "entity": {"table": "t", "key": "id", "timestamp": "at"},
        "label": {"table": "l", "column": "y", "timestamp": "at"},
        "target_threshold": 0.05,
    }
)
AS_GOOD = Performance(PerformanceState.MEASURED, measures={"auc": Change(0.8, 0.8, -0.02, 0.02, 0.5)})

Season = Callable[[int], float]
"""Takes the number of a month, from 0 for a January; returns how far all features stand from their mean, in sigma."""

SEASONS: dict[str, Season] = {
    "calm": lambda _month: 0.0,
    "December": lambda month: 0.6 * (month % 12 == 11),
    "summer": lambda month: 0.6 * (month % 12 in (5, 6, 7)),
    "smooth": lambda month: 0.4 * float(np.sin(2 * np.pi * month / 12)),
    "every second month": lambda month: 0.4 * (month % 2),
    "trend": lambda month: 0.2 * month,
}
"""Trend: no season, and the features go away ever further."""


def month_of(season: Season, month: int, rows: int, seed: int, planted: float = 0.0) -> Side:
    """A month as the monitor reads it; `planted` moves two of the features."""
    random = np.random.default_rng([seed, month])
    values = random.normal(season(month), size=(rows, FEATURES))
    values[:, :2] += planted
    as_of = date(2022 + month // 12, month % 12 + 1, 28)
    table = pa.table({item.name: values[:, at] for at, item in enumerate(DECLARED)})
    rate = float((random.random(rows) < 0.3 + 0.2 * season(month) / (1 + abs(season(month)))).mean())
    return Side(
        MonthSize(as_of, rows, rows),
        FeatureMonth(as_of, Path("none"), rows, DECLARED, (), ()),
        LabelMonth(as_of, rows, rows, rate, "", LabelKind.BOOLEAN, None),
        measure_features(table, DECLARED, as_of),
    )


def judged(sides: Sequence[Side], performance: Performance = AS_GOOD) -> list[Decision]:
    """The decision on each month but the first, as the monitor makes it."""
    months = {side.size.as_of: PastMonth(side.profile, partial(read_table, side.features)) for side in sides}
    found: list[Decision] = []
    pairs: list[PastPair] = []
    for at, (ref, cur) in enumerate(pairwise(sides), 1):
        ledger = build_ledger((ref.profile, cur.profile), DECLARED, MONITOR)
        drift = compare(ref, cur, ledger, MONITOR)
        target = target_drift(ref.labels, cur.labels, MONITOR.signal_level)
        known = [side.size.as_of for side in sides[:at]]
        past = Past(lambda known=known: known, lambda _months: months, lambda: pairs, print)
        explained = explain_signals(ref, cur, drift, target, MONITOR, past)
        decision = decide(drift, target, policy_of(MONITOR), performance, History(explained=explained))
        pairs.append(PastPair.of(drift, target, decision.reached("target_drift")))
        found.append(decision)
    return found


def triggers(found: Sequence[Decision]) -> list[int]:
    """The months that trigger, counted from 1 for the first month of the history."""
    return [at for at, decision in enumerate(found, 2) if decision.triggered]


def table(months: int, rows: int, seeds: int) -> list[str]:
    """Triggers of each kind of season in each of its years, without and with the past."""
    years = range(months // 12)
    heads = [f"year {year + 1}: {how}" for year in years for how in ("alone", "with the past")]
    lines = [f"| season | {' | '.join(heads)} |", f"{'| --- ' * (1 + len(heads))}|"]
    for name, season in SEASONS.items():
        counts = np.zeros((len(years), 2))
        for seed in range(seeds):
            sides = [month_of(season, month, rows, seed) for month in range(months)]
            for at, decision in enumerate(judged(sides), 1):
                # The model is as good as it was, so that every signal would trigger.
                counts[at // 12] += np.array([decision.signalled, decision.triggered]) / seeds
        lines.append(f"| {name} | {' | '.join(f'{count:.1f}' for count in counts.ravel())} |")
    return lines


def found_share(season: Season, at: int, rows: int, seeds: int) -> float:
    """How often a change that is planted in a month triggers in that month."""
    found = 0
    for seed in range(seeds):
        sides = [month_of(season, month, rows, seed, 0.5 * (month >= at - 1)) for month in range(at)]
        found += at in triggers(judged(sides))
    return found / seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="histories of each kind")
    parser.add_argument("--rows", type=int, default=2000, help="entities of a month")
    arguments = parser.parse_args()
    begun, rows, seeds = time.monotonic(), arguments.rows, arguments.seeds
    print(*table(36, rows, seeds), sep="\n", flush=True)
    months = (9, 18, 30)
    print(f"\n| season | {' | '.join(f'found in month {at}' for at in months)} |\n{'| --- ' * (1 + len(months))}|")
    for name, season in SEASONS.items():
        shares = [f"{found_share(season, at, rows, seeds):.0%}" for at in months]
        print(f"| {name} | {' | '.join(shares)} |", flush=True)
    print(f"\n{seeds} histories of each kind, {rows:,} entities a month, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
