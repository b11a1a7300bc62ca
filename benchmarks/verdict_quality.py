"""How often a calm month retrains, how surely a moved one is found, and how steady the verdict is. Prints Markdown.

Two columns of one distribution are drawn many times, scored, and tested where the score reaches its threshold. From the
p-values follows how often a month of K features triggers: where all features are equal as often as one of them drifts,
and where they are independent as often as a binomial number of them reaches the drift share. The table gives what was
counted. The program fails where the count is too high for the rate that was asked for: where the lower end of the
99.9% interval (Clopper & Pearson) exceeds it.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, binom

from driftgate.drift.significance import (
    column_level,
    permutation_test,
    pooled_columns,
    proportions_p_value,
    seed_of,
)
from driftgate.methods import METHODS
from driftgate.profiles.columns import Column, NumberColumn, category_column, number_column
from driftgate.profiles.grid import number_grid
from driftgate.profiles.scores import score

RATE = 0.01
SHARE = 0.3
MISSING = 0.1
ROWS = (300, 1000, 1001, 7043, 50_000, 1_000_000)
FEATURES = (1, 3, 5, 14, 50, 200)
EXACT_ROWS = 100_000

Draw = Callable[[np.random.Generator, int, float], np.ndarray]


def zipf(categories: int) -> Draw:
    shares = 1 / np.arange(1, categories + 1)

    def draw(random: np.random.Generator, rows: int, moved: float) -> np.ndarray:
        part = np.roll(shares, 1) if moved else shares
        return random.multinomial(rows, part / part.sum())

    return draw


NUMBERS: dict[str, Draw] = {
    "normal": lambda random, rows, moved: random.normal(moved, 1, rows),
    "lognormal(2)": lambda random, rows, moved: random.lognormal(moved, 2, rows),
    "Pareto(1.5)": lambda random, rows, moved: (random.pareto(1.5, rows) + 1) * (1 + moved),
    "Poisson(3)": lambda random, rows, moved: random.poisson(3 + moved * math.sqrt(3), rows).astype(float),
    "normal, 20% NULL": lambda random, rows, moved: random.normal(moved, 1, rows),
}
CATEGORIES = {f"{size} categories": zipf(size) for size in (8, 200, 5000)}


@dataclass(frozen=True)
class Drawn:
    """One column of two months: whether its score reached the threshold, and the p-values of both tests."""

    reached: bool
    value_p: float
    missing_p: float


def columns(name: str, random: np.random.Generator, rows: int, moved: float) -> tuple[Column, Column]:
    sides = []
    for shift in (0.0, moved):
        if name in CATEGORIES:
            counts = CATEGORIES[name](random, rows, shift)
            sides.append(category_column({f"{n:05}": int(count) for n, count in enumerate(counts)}))
            continue
        nulls = int(random.binomial(rows, 0.2)) if "NULL" in name else 0
        values = NUMBERS[name](random, rows - nulls, shift)
        sides.append(number_column(*np.unique(values, return_counts=True), nulls=nulls))
    ref, cur = sides
    if rows > EXACT_ROWS and isinstance(ref, NumberColumn) and isinstance(cur, NumberColumn):
        grid = number_grid(ref.values, ref.counts)
        return ref.on(grid), cur.on(grid)
    return ref, cur


def judge(ref: Column, cur: Column, level: float, seed: int) -> Drawn:
    method = "wasserstein" if isinstance(ref, NumberColumn) and ref.distinct > 5 else "jensenshannon"
    reached = score(method, ref, cur).corrected >= METHODS[method].default_threshold
    value_p = permutation_test(pooled_columns(method, ref, cur), level, True, seed).p_value if reached else 1.0
    missing_p = 1.0
    if abs(ref.missing_share - cur.missing_share) >= MISSING:
        missing_p = proportions_p_value(ref.missing, ref.count + ref.missing, cur.missing, cur.count + cur.missing)
    return Drawn(reached, value_p, missing_p)


def false_alarms(name: str, rows: int, rounds: int) -> dict[int, tuple[float, float, float]]:
    """For each number of features the false alarms of a month: independent, all equal, and the larger one at least."""
    random = np.random.default_rng(seed_of("calm", name, rows))
    levels = {features: column_level(RATE, SHARE, features) / 2 for features in FEATURES}
    hits = dict.fromkeys(FEATURES, 0)
    for number in range(rounds):
        drawn = judge(*columns(name, random, rows, 0.0), min(levels.values()), number)
        for features, level in levels.items():
            hits[features] += min(drawn.value_p, drawn.missing_p) <= level
    found = {}
    for features, count in hits.items():
        needed = max(1, math.ceil(SHARE * features - 1e-9))
        least = float(beta.ppf(0.0005, count, rounds - count + 1)) if count else 0.0
        chances = [float(binom.sf(needed - 1, features, share)) for share in (count / rounds, least)]
        found[features] = chances[0], count / rounds, max(chances[1], least)
    return found


def power(rows: int, months: int, features: int = 14, moved: float = 0.2) -> float:
    """Share of months found in which the fewest columns that make a trigger moved, and no other did."""
    random = np.random.default_rng(seed_of("moved", rows))
    level = column_level(RATE, SHARE, features) / 2
    needed = math.ceil(SHARE * features)
    found = 0
    for month in range(months):
        found += all(
            judge(*columns("normal", random, rows, moved), level, seed_of(month, at)).value_p <= level
            for at in range(needed)
        )
    return found / months


def steadiness(moved: float, months: int, rows: int = 7043, features: int = 14) -> float:
    """Of the verdicts on resamplings of one current month the share that agrees with most of them."""
    random = np.random.default_rng(seed_of("resampled", moved))
    level = column_level(RATE, SHARE, features) / 2
    pairs = [(random.normal(size=rows), random.normal(moved if at < 7 else 0, size=rows)) for at in range(features)]
    triggers = 0
    for month in range(months):
        drifted = 0
        for at, (ref, cur) in enumerate(pairs):
            again = random.choice(cur, rows)
            sides = [number_column(*np.unique(values, return_counts=True)) for values in (ref, again)]
            drifted += judge(sides[0], sides[1], level, seed_of(month, at)).value_p <= level
        triggers += drifted >= SHARE * features
    return max(triggers, months - triggers) / months


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000, help="columns drawn for each cell; a twentieth at 1M rows")
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--distributions", nargs="*", default=[*NUMBERS, *CATEGORIES], metavar="NAME")
    arguments = parser.parse_args()
    begun = time.monotonic()
    print(f"False alarms of a calm month in percent, where {RATE:.0%} are allowed: independent / equal features\n")
    print("| rows | distribution | " + " | ".join(f"{features} features" for features in FEATURES) + " |")
    print("| --- " * (2 + len(FEATURES)) + "|")
    worst, wrong = 0.0, 0
    for rows in arguments.rows:
        rounds = arguments.rounds // 20 if rows > EXACT_ROWS else arguments.rounds
        for name in arguments.distributions:
            found = false_alarms(name, rows, rounds)
            worst = max(worst, *(max(cell) for cell in found.values()))
            wrong += sum(least > RATE for _, _, least in found.values())
            cells = [f"{100 * independent:.2f} / {100 * equal:.2f}" for independent, equal, _ in found.values()]
            print(f"| {rows:,} | {name} | " + " | ".join(cells) + " |", flush=True)
    print("\n| rows | months found in which 5 of 14 features moved by .2 sigma |\n| --- | --- |")
    for rows in (1000, 2000, 7043):
        print(f"| {rows:,} | {power(rows, 100):.0%} |", flush=True)
    print("\n| 7 of 14 features moved by | resamplings with the same verdict |\n| --- | --- |")
    for moved in (0.0, 0.05, 0.2):
        print(f"| {moved} sigma | {steadiness(moved, 100):.0%} |", flush=True)
    seconds = time.monotonic() - begun
    print(f"\n{arguments.rounds} columns a cell, {seconds:.0f} s; the largest is {worst:.2%}; {wrong} are too high.")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
