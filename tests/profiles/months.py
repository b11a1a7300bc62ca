"""Columns of numbers with every shape that once spoilt a verdict."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from driftgate.features.state import MeasuredFrom, ViewState
from driftgate.profiles.build import measure
from driftgate.profiles.grid import Form, Grid
from driftgate.profiles.sample import sample_rows
from driftgate.profiles.store import MonthProfile

JANUARY = date(2024, 1, 31)
FEBRUARY = date(2024, 2, 29)
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
FROM = MeasuredFrom(
    entities=300,
    views={"usage": ViewState(300, NOW, None), "billing": ViewState(0)},
    schema={"fee": "FLOAT64", "plan": "STRING"},
    versions={"driftgate": "0.1.0"},
)
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

SHAPES: dict[str, Draw] = {
    "normal": lambda random, n: random.normal(size=n),
    "lognormal(2)": lambda random, n: random.lognormal(0, 2, n),
    "pareto(1.5)": lambda random, n: random.pareto(1.5, n) + 1,
    "poisson": lambda random, n: random.poisson(3, n).astype(float),
    "zeros and tail": lambda random, n: np.where(random.random(n) < 0.6, 0.0, random.lognormal(0, 1, n)),
    "around 273": lambda random, n: 273 + 0.01 * random.normal(size=n),
    "one outlier": lambda random, n: np.append(random.normal(size=n - 1), 1e6),
    "near the maximum": lambda random, n: np.append(random.normal(size=n - 2), [1.7e308, -1.7e308]),
    "tiny": lambda random, n: random.normal(size=n) * 1e-300,
}

FORMS = {"fee": Form.NUMBER, "uses": Form.NUMBER, "plan": Form.CATEGORY, "trial": Form.CATEGORY}


def month(rows: int, seed: int = 0, shift: float = 0.0) -> pa.Table:
    """A month of users with NULLs, NaN, infinities, minus zero and unicode categories."""
    random = np.random.default_rng(seed)
    fee = random.lognormal(shift, 1, rows)
    odd = random.random(rows)
    fee[odd < 0.05] = [np.nan, np.inf, -np.inf, -0.0][int(odd[0] * 4)]
    plans = np.array(["basic", "größer", "日本", ""])
    return pa.table(
        {
            "user": random.permutation(rows),
            "fee": pa.array(fee, mask=random.random(rows) < 0.1),
            "uses": pa.array(random.poisson(2, rows), pa.int32(), mask=random.random(rows) < 0.02),
            "plan": pa.array(random.choice(plans, rows), mask=random.random(rows) < 0.1),
            "trial": pa.array(random.random(rows) < 0.3, mask=random.random(rows) < 0.3),
        }
    )


def measured(seed: int = 1, as_of: date = JANUARY, monitor: str = "churn", rows: int = 300) -> MonthProfile:
    table = month(rows, seed)
    return MonthProfile(monitor, as_of, FROM, measure(table, FORMS, as_of), NOW, sample_rows(table, "user"))


def on_grid(exact: MonthProfile, grid: Grid) -> MonthProfile:
    return replace(exact, profile=exact.profile.on(grid), grid_version=grid.version)
