"""How often calm months of days that differ are taken for change, with groups and without. Prints Markdown.

A month has thirty days of flights. Weather and what else makes flights late come by days: `within` is the share of a
feature's variance, and of the label's log odds, that the flights of a day have in common. From month to month nothing
changes. With groups, days are split, resampled and dealt out; without, flights are, as if each stood alone.

The program fails where, with groups, a rate is surely above what was asked for: where the lower end of its 99.9%
interval (Clopper & Pearson) is.
"""

import argparse
import math
import sys
import time

import numpy as np
import pyarrow as pa
from scipy.stats import beta

import driftgate
from driftgate.library import DataComparison

DAYS = 30
RATE = 0.01
# A drop of the AUC and a drift of the label that are worth a word.
DROP, TARGET = 0.05, 0.02
WITHIN = (0.0, 0.1, 0.3)


def month(random: np.random.Generator, within: float, per_day: int, first_day: int, moved: float = 0.0) -> pa.Table:
    day, rows = np.repeat(np.arange(DAYS), per_day), DAYS * per_day

    def by_day() -> np.ndarray:
        return random.normal(size=DAYS)[day] * math.sqrt(within) + random.normal(size=rows) * math.sqrt(1 - within)

    wind, snow = by_day() + moved, by_day()
    hour, distance = random.normal(size=rows), random.lognormal(size=rows)
    odds = hour + 0.5 * wind - 1 + 1.5 * random.normal(size=DAYS)[day] * math.sqrt(within)
    late = random.random(rows) < 1 / (1 + np.exp(-odds))
    columns = {"day": day + first_day, "wind": wind, "snow": snow, "hour": hour, "distance": distance, "late": late}
    return pa.table(columns)


def compared(ref: pa.Table, cur: pa.Table, grouped: bool, performance: str) -> DataComparison:
    if grouped:
        return driftgate.compare(ref, cur, label="late", group="day", performance=performance)
    return driftgate.compare(ref.drop_columns("day"), cur.drop_columns("day"), label="late", performance=performance)


def counted(within: float, per_day: int, grouped: bool, rounds: int, models: int) -> dict[str, tuple[int, int]]:
    """How often each thing happened, and of how many months."""
    random = np.random.default_rng(int(1000 * within) + per_day)
    names = ("drift share", "target drift", "wind found")
    found = dict.fromkeys(names, 0)
    for _ in range(rounds):
        ref, cur = (month(random, within, per_day, first) for first in (0, DAYS))
        calm = compared(ref, cur, grouped, "off")
        moved = compared(ref, month(random, within, per_day, DAYS, 0.5), grouped, "off")
        assert calm.target is not None
        found["drift share"] += calm.is_drifted
        found["target drift"] += calm.target.abs_diff > TARGET and calm.target.p_value <= calm.rules.signal_level
        found["wind found"] += "wind" in moved.drifted
    drops = {"AUC drop": 0, "interval holds 0": 0}
    for _ in range(models):
        ref, cur = (month(random, within, per_day, first) for first in (0, DAYS))
        performance = compared(ref, cur, grouped, "auto").performance
        low, high = performance.drop_interval
        surely = performance.change.p_value <= RATE / 2
        drops["AUC drop"] += performance.drop > DROP and surely
        drops["interval holds 0"] += low <= 0 <= high
    return {name: (count, rounds) for name, count in found.items()} | {
        name: (count, models) for name, count in drops.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400, help="pairs of months without a model")
    parser.add_argument("--models", type=int, default=60, help="pairs of months with one")
    arguments = parser.parse_args()
    begun, wrong = time.monotonic(), 0
    names = ("drift share", "target drift", "AUC drop", "interval holds 0", "wind found")
    print("| flights a day | within | groups | " + " | ".join(names) + " |\n| --- " + "| --- " * (2 + len(names)) + "|")
    for per_day in (20, 100):
        for within in WITHIN:
            for grouped in (False, True):
                found = counted(within, per_day, grouped, arguments.rounds, arguments.models)
                cells = [f"{count / of:.1%}" for count, of in (found[name] for name in names)]
                who = "days" if grouped else "none"
                print(f"| {per_day} | {within:.0%} | {who} | " + " | ".join(cells) + " |", flush=True)
                alarms = [found[name] for name in names[:3]] if grouped else []
                wrong += sum(float(beta.ppf(0.0005, count, of - count + 1)) > RATE for count, of in alarms if count)
    print(f"\n{time.monotonic() - begun:.0f} s; {wrong} rates are too high.")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
