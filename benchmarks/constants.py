"""What one value costs to count, to keep and to judge: the constants of docs/scale.md.

    python -m benchmarks.constants

Features are of four kinds by turns: normal, lognormal(2), small counts, and a category of 200 values. Seconds are those
of one core, as the median of three.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.run import say
from driftgate.drift.significance import permutation_test, pooled_columns
from driftgate.features.types import DeclaredFeature, Kind
from driftgate.profiles.build import make_grid, measure_features
from driftgate.profiles.counting import sum_profiles
from driftgate.profiles.encoding import profile_from_bytes, profile_to_bytes
from driftgate.profiles.sample import sample_to_bytes
from driftgate.profiles.scores import score

MONTH = date(2024, 1, 31)


def main() -> None:
    """Measure each constant, and print it with its unit."""
    parser = argparse.ArgumentParser(description="What one value costs to count, to keep and to judge")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=40)
    options = parser.parse_args()
    table, other = (made(options.rows, options.features, seed) for seed in (0, 1))
    declared = [
        DeclaredFeature(name, "view", "String" if kind is Kind.CATEGORICAL else "Float64", kind)
        for name, kind in kinds(options.features).items()
    ]
    values = options.rows * options.features
    grid = make_grid(measure_features(table.slice(0, 100_000), declared, MONTH), 1, sampled=True)
    seconds, profile = timed(lambda: measure_features(table, declared, MONTH, grid))
    say(f"counting: {seconds / values * 1e9:.0f} ns a value")
    data = profile_to_bytes(profile)
    whole, kept = (size / options.features / 1024 for size in (len(data), packed(data)))
    say(f"profile: {whole:.1f} KiB a feature, {kept:.1f} kept")
    seconds, _ = timed(lambda: sum_profiles(profile_from_bytes(data, grid) for _ in range(10)))
    say(f"merging: {seconds / 10 / options.features * 1e6:.0f} us a part and feature")
    sample = sample_to_bytes(table)
    say(f"sample: {len(sample) / values:.1f} bytes a value, {packed(sample) / values:.1f} kept")
    current = measure_features(other, declared, MONTH, grid)
    for kind, method in ((Kind.NUMERIC, "wasserstein"), (Kind.CATEGORICAL, "jensenshannon")):
        name = next(item.name for item in declared if item.kind is kind)
        sides = profile.columns[name], current.columns[name]
        seconds, _ = timed(lambda: score(method, *sides))  # noqa: B023
        say(f"score by {method}: {seconds * 1e3:.1f} ms a feature")
        seconds, _ = timed(lambda: permutation_test(pooled_columns(method, *sides), 0.003, True, 0))  # noqa: B023
        say(f"permutation test of it: {seconds * 1e3:.0f} ms a feature at its threshold")


def kinds(features: int) -> dict[str, Kind]:
    """Each feature with its kind."""
    return {f"f{n:03}": Kind.CATEGORICAL if n % 4 == 3 else Kind.NUMERIC for n in range(features)}


def made(rows: int, features: int, seed: int) -> pa.Table:
    """Values of the four kinds by turns."""
    random = np.random.default_rng(seed)
    makers: list[Callable[[], Any]] = [
        lambda: random.normal(size=rows),
        lambda: random.lognormal(0, 2, rows),
        lambda: random.poisson(4, rows).astype(float),
        lambda: random.integers(0, 200, rows).astype(str),
    ]
    return pa.table({name: makers[n % 4]() for n, name in enumerate(kinds(features))})


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """The median of three, in seconds of this thread, and the last result."""
    seconds = []
    for _ in range(3):
        started = time.thread_time()
        result = work()
        seconds.append(time.thread_time() - started)
    return statistics.median(seconds), result


def packed(data: bytes) -> int:
    """How many bytes the database keeps."""
    return len(pa.compress(data, "zstd"))


if __name__ == "__main__":
    main()
