"""Rows of answers: each key has its own, in order, and every value is JSON."""

import json
import math
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from driftgate.features.online import KeyState, OnlineRows
from driftgate.measures import LabelKind
from driftgate.training.model import predictions_of
from services.api.rows import rows_of

DAY = date(2024, 2, 29)
STATES = st.sampled_from(list(KeyState))


def model() -> Any:
    """Its score of a row is the row's feature."""
    return SimpleNamespace(
        version="7",
        kind=LabelKind.BOOLEAN,
        features=("x",),
        scores=lambda columns: np.array(columns["x"], dtype=float),
        predictions=lambda scores: predictions_of(LabelKind.BOOLEAN, scores, 0.3),
    )


@given(st.lists(st.tuples(STATES, st.floats(0, 1)), max_size=9))
def test_only_keys_that_were_found_are_scored_each_by_its_own_features(given_rows: list[Any]) -> None:
    states, values = [state for state, _ in given_rows], [value for _, value in given_rows]
    keys = [f"u{n}" for n in range(len(states))]
    found = OnlineRows(states=states, as_of=[DAY] * len(states), columns={"x": values})
    rows = rows_of(keys, found, model())
    assert [row.key for row in rows] == keys[: len(rows)] and len(rows) == len(keys)
    for row, state, value in zip(rows, states, values, strict=True):
        expected = (value, int(value >= 0.3)) if state is KeyState.FOUND else (None, 0)
        assert (row.probability, row.prediction) == expected and row.version == "7"


def test_without_a_model_there_are_features_and_no_score() -> None:
    found = OnlineRows(states=[KeyState.FOUND], as_of=[DAY], columns={"x": [1.0]})
    (row,) = rows_of(["u"], found, None)
    assert (row.features, row.probability, row.version) == ({"x": 1.0}, None, "")


def test_every_value_is_json() -> None:
    values = [math.nan, math.inf, None, True, 3, "s", datetime(2024, 1, 2, tzinfo=UTC), UUID(int=1)]
    columns = {f"f{n}": [value] for n, value in enumerate(values)}
    (row,) = rows_of(["u"], OnlineRows(states=[KeyState.FOUND], as_of=[DAY], columns=columns), None)
    assert json.loads(json.dumps(row.features)) == dict(
        zip(columns, [None, None, None, True, 3, "s", "2024-01-02T00:00:00+00:00", str(UUID(int=1))], strict=True)
    )
