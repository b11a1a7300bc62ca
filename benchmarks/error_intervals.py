"""How often the interval of an error holds the truth, and calm and risen months signal. Prints Markdown.

Predictions of a numeric label with errors of one distribution are drawn for a validation and for a month, many times.
In a calm month both are samples of the same distribution; in the other the month's errors are larger by a part.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from driftgate.measures import LabelKind
from driftgate.performance.bootstrap import Scored, compare_scores

VALIDATION, MONTH = 100, 500
LEVEL = 0.005
REPLICATES = 800
LARGER = 1.3

ERRORS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda random, rows: random.normal(size=rows),
    "exponential": lambda random, rows: random.exponential(size=rows),
    "lognormal(1)": lambda random, rows: random.lognormal(0, 1, rows),
    "t(3)": lambda random, rows: random.standard_t(3, rows),
}


def side(errors: str, rows: int, seed: int, larger: float, first: int) -> Scored:
    random = np.random.default_rng(seed)
    labels = random.normal(size=rows)
    scores = labels + larger * ERRORS[errors](random, rows)
    return Scored(np.arange(first, first + rows).astype(str), labels, scores, LabelKind.NUMERIC)


def row(errors: str, rounds: int) -> str:
    held, signals = {"rmse": 0, "mae": 0}, [0, 0]
    for seed in range(rounds):
        ref = side(errors, VALIDATION, 2 * seed, 1.0, 0)
        for risen, larger in enumerate((1.0, LARGER)):
            cur = side(errors, MONTH, 2 * seed + 1, larger, VALIDATION)
            found = compare_scores(ref, cur, REPLICATES, seed)
            change = found["rmse"]
            signals[risen] += change.difference / change.ref > 0.05 and change.p_value <= LEVEL
            if not risen:
                held["rmse"] += change.relative_low <= 0.0 <= change.relative_high
                held["mae"] += found["mae"].relative_low <= 0.0 <= found["mae"].relative_high
    shares = [100 * count / rounds for count in (held["rmse"], held["mae"], *signals)]
    return f"| {' | '.join([errors, *(f'{share:.1f}' for share in shares)])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    started = time.perf_counter()
    print("| errors | interval of the RMSE holds 0 | of the MAE | calm months signal | risen months signal |")
    print("| --- | --- | --- | --- | --- |")
    for errors in ERRORS:
        print(row(errors, rounds), flush=True)
    print(f"\n{rounds} rounds, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
