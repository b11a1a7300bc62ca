"""What each policy of retraining costs on generated years: `python -m benchmarks.policies`.

Each year is 24 months of fresh entities with six numbers and a boolean label. The features move, or what they mean for
the label does, as the year's name says. The policies are those of `driftgate backtest`, and Driftgate's decisions are
those of the monitor, with `require_gain = true`.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from driftgate.backtest.evidence import Evidence
from driftgate.backtest.kept import Kept
from driftgate.backtest.policies import PolicyName
from driftgate.backtest.result import MULTIPLES, Backtest, backtest
from driftgate.drift.comparison import Side
from driftgate.features.entities import MonthSize
from driftgate.features.files import write_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.features.types import DeclaredFeature, FeatureMonth, Kind
from driftgate.measures import LabelKind
from driftgate.monitors import Monitor, usable_monitor
from driftgate.planning import policy_of
from driftgate.profiles.build import measure_features

FEATURES = 6
DECLARED = tuple(DeclaredFeature(f"x{at}", "view", "FLOAT64", Kind.NUMERIC) for at in range(FEATURES))
MONITOR = Monitor.model_validate(
    {
        "name": "year",
        "feature_service": "s",
        "entity": {"table": "t", "key": "id", "timestamp": "at"},
        "label": {"table": "l", "column": "y", "timestamp": "at"},
        "require_gain": True,
    }
)

THEN = np.array([1.2, 0.9, 0.6, 0.0, 0.0, 0.0])
LATER = np.array([0.0, 0.0, 0.6, 0.9, 1.2, 0.0])

Weights = np.ndarray
Year = Callable[[int], tuple[Weights, float]]
"""Takes the number of a month; returns what each feature says of the label, and the season, from -1 to 1."""


def _season(month: int) -> float:
    return float(np.sin(2 * np.pi * month / 12))


def _mixed(share: float) -> Weights:
    return (1 - share) * THEN + share * LATER


YEARS: dict[str, Year] = {
    "calm": lambda _month: (THEN, 0.0),
    "seasonal": lambda month: (THEN, _season(month)),
    "sudden": lambda month: (_mixed(float(month >= 12)), 0.0),
    "gradual": lambda month: (_mixed(min(max((month - 6) / 12, 0.0), 1.0)), 0.0),
    "recurring": lambda month: (_mixed(float(month // 6 % 2)), 0.0),
}
"""Calm: nothing changes. Seasonal: the features move with the season, and mean the same; when they are close together
the label is hard to tell, which no training mends. Sudden: what they mean changes in month 12, for good. Gradual: it
changes from month 6 to month 18. Recurring: it changes every six months, and back."""


def month_of(year: Year, month: int, rows: int, seed: int, folder: Path) -> Side:
    """A month of a year as the monitor reads it."""
    random = np.random.default_rng([seed, month])
    weights, season = year(month)
    values = random.normal(size=(rows, FEATURES))
    values *= 1 + 0.4 * season
    values[:, :3] += 0.8 * season
    labels = random.random(rows) < 1 / (1 + np.exp(-(values @ weights - 1)))
    as_of, keys = date(2024 + month // 12, month % 12 + 1, 28), [f"{month}-{row}" for row in range(rows)]
    table = pa.table({"id": keys} | {item.name: values[:, at] for at, item in enumerate(DECLARED)})
    paths = [folder / f"{what}_{month}.arrow" for what in ("features", "labels")]
    write_file(paths[0], table)
    write_file(paths[1], pa.table({"id": keys, LABEL_COLUMN: labels}))
    features = FeatureMonth(as_of, paths[0], rows, DECLARED, (), ())
    label = LabelMonth(as_of, rows, rows, float(labels.mean()), "", LabelKind.BOOLEAN, paths[1])
    return Side(MonthSize(as_of, rows, rows), features, label, measure_features(table, DECLARED, as_of))


def replayed(year: Year, months: int, rows: int, seed: int, monitor: Monitor = MONITOR) -> Backtest:
    """Every policy over a year."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sides = tuple(month_of(year, month, rows, seed, folder) for month in range(months))
        evidence = Evidence(monitor, policy_of(monitor), sides, folder, Kept(folder / "kept"))
        return backtest(monitor, evidence.scores(), evidence.decide)


def table(found: Sequence[Backtest]) -> list[str]:
    """A row for each policy: means over the years."""
    lines = []
    for policy in PolicyName:
        items = [each.outcome(policy) for each in found]
        means = [np.mean([each.regrets[multiple][policy] for each in found]) for multiple in MULTIPLES]
        cells = [
            f"{np.mean([len(item.retrained) for item in items]):.1f}",
            f"{np.mean([item.performance for item in items]):.3f}",
            *(f"{mean:.2f}" for mean in means),
        ]
        lines.append(f"| {policy} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="years of each kind")
    parser.add_argument("--rows", type=int, default=3000, help="entities of a month")
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--years", nargs="*", default=list(YEARS), choices=list(YEARS))
    parser.add_argument("--monitor", type=json.loads, default={}, help="keys of the monitor to change, as JSON")
    arguments = parser.parse_args()
    monitor = usable_monitor(MONITOR.model_dump() | arguments.monitor, "--monitor cannot be used")
    begun = time.monotonic()
    for name in arguments.years:
        numbers = (arguments.months, arguments.rows)
        found = [replayed(YEARS[name], *numbers, seed, monitor) for seed in range(arguments.seeds)]
        heads = [f"regret at {multiple:g}x" for multiple in MULTIPLES]
        print(f"\n| {name} | retrainings | mean AUC | {' | '.join(heads)} |\n{'| --- ' * (3 + len(heads))}|")
        print(*table(found), sep="\n", flush=True)
    print(f"\n{arguments.seeds} years of each kind, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
