"""Rows that are served, held against rows that are learnt: what counts as the same value, and what is found."""

import json
import math
import struct
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from driftgate.features.skew import (
    Served,
    Skew,
    SkewVerdict,
    SourceSkew,
    as_logged,
    compare_rows,
    same_value,
    with_surplus,
)
from driftgate.features.types import DeclaredFeature, Kind

WIDE = DeclaredFeature("wide", "v", "FLOAT64", Kind.NUMERIC)
WORD = DeclaredFeature("word", "v", "STRING", Kind.CATEGORICAL)
FEATURES = (WIDE, WORD)
NOON = datetime(2024, 1, 31, 12, 0, 0, 250_000, UTC).replace(tzinfo=None)
numbers = st.floats(allow_nan=False, allow_infinity=False)
rows = st.dictionaries(
    st.text(min_size=1, max_size=4),
    st.fixed_dictionaries({"wide": st.none() | numbers, "word": st.text(max_size=3)}),
    max_size=6,
)


def single(value: float) -> float:
    """As a FLOAT32 keeps it."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


@pytest.mark.parametrize(
    ("dtype", "learnt", "served", "same"),
    [
        ("FLOAT64", None, math.nan, True),
        ("FLOAT64", None, 0.0, False),
        ("FLOAT64", 3, 3.0, True),
        ("FLOAT64", 0.1, single(0.1), False),
        ("FLOAT64", 0.5, single(0.5), True),
        ("FLOAT32", 0.1, single(0.1), True),
        ("FLOAT32", 0.1, 0.10001, False),
        ("INT64", 2**53, 2**53 + 1, False),
        ("INT64", 7, "7", False),
        ("BOOL", True, 1, False),
        ("BOOL", True, True, True),
        ("STRING", "1.0", "1", False),
        ("UNIX_TIMESTAMP", NOON, NOON.replace(microsecond=0, tzinfo=UTC), True),
        ("UNIX_TIMESTAMP", NOON, NOON.replace(tzinfo=timezone(timedelta(hours=1))), False),
        ("UNIX_TIMESTAMP", NOON, NOON.isoformat(), True),
        ("UNIX_TIMESTAMP", NOON, "noon", False),
        ("Array(Int64)", [1, 2], [1, 2], True),
        ("Array(Int64)", [1, 2], [2, 1], False),
        ("Array(Int64)", [1, 2], [1], False),
    ],
)
def test_values_are_the_same_as_far_as_their_type_is_exact(dtype: str, learnt: Any, served: Any, same: bool) -> None:
    assert same_value(dtype, learnt, served) is same
    assert same_value(dtype, served, learnt) is same


@given(value=numbers)
def test_a_double_survives_the_log_and_a_single_the_store(value: float) -> None:
    assert same_value("FLOAT64", value, json.loads(json.dumps(value)))
    assume(1e-30 < abs(value) < 1e30)
    assert same_value("FLOAT32", value, single(value))


@given(value=numbers)
def test_a_double_that_was_rounded_to_a_single_is_another_value(value: float) -> None:
    assume(1e-30 < abs(value) < 1e30 and abs(single(value) - value) > 1e-12 * abs(value))
    assert not same_value("FLOAT64", value, single(value))


@given(learnt=rows)
def test_a_copy_does_not_differ(learnt: dict[str, dict[str, Any]]) -> None:
    found = compare_rows(Served.ONLINE, learnt, json.loads(json.dumps(learnt)), FEATURES)
    assert found == SourceSkew(Served.ONLINE, len(learnt))
    assert found.share == (0.0 if learnt else None)


@given(learnt=rows, data=st.data())
def test_values_swapped_between_two_entities_are_found(learnt: dict[str, dict[str, Any]], data: st.DataObject) -> None:
    """Their distribution stays as it is."""
    assume(len(learnt) >= 2)
    one, other = data.draw(st.lists(st.sampled_from(sorted(learnt)), min_size=2, max_size=2, unique=True))
    assume(not same_value("FLOAT64", learnt[one]["wide"], learnt[other]["wide"]))
    served = {key: dict(row) for key, row in learnt.items()}
    served[one]["wide"], served[other]["wide"] = served[other]["wide"], served[one]["wide"]
    found = compare_rows(Served.ONLINE, learnt, served, FEATURES)
    (mismatch,) = found.mismatches
    assert (mismatch.feature, mismatch.entities, set(mismatch.examples)) == ("wide", 2, {one, other})
    assert found.differing == 2 and found.share == 2 / len(learnt)


def test_an_entity_counts_once_however_much_of_it_differs_and_examples_are_few() -> None:
    learnt = {f"u{n}": {"wide": float(n), "word": "a"} for n in range(20)}
    served = {key: {"wide": -1.0, "word": "b" if key == "u3" else "a"} for key in learnt if key != "u0"}
    found = compare_rows(Served.ONLINE, learnt, served, FEATURES, incomplete={"u1"})
    assert (found.compared, found.differing, found.incomplete) == (20, 20, 2)
    assert found.incomplete_examples == ("u0", "u1")
    assert [(item.feature, item.entities, len(item.examples)) for item in found.mismatches] == [
        ("wide", 19, 5),
        ("word", 1, 1),
    ]


def test_the_log_has_those_that_were_asked_for() -> None:
    learnt = {"u1": {"wide": math.inf, "word": "a"}, "u2": {"wide": 1.0, "word": "a"}}
    wanted = {key: {name: as_logged(value) for name, value in row.items()} for key, row in learnt.items()}
    assert compare_rows(Served.LOG, wanted, {"u1": {"wide": None, "word": "a"}}, FEATURES) == SourceSkew(Served.LOG, 1)
    assert compare_rows(Served.LOG, wanted, {}, FEATURES).share is None


@pytest.mark.parametrize(
    ("differing", "threshold", "verdict"),
    [(0, 0.0, SkewVerdict.NO_SKEW), (1, 0.0, SkewVerdict.SKEW), (1, 0.1, SkewVerdict.NO_SKEW), (2, 0.1, "SKEW")],
)
def test_skew_is_more_than_the_threshold_in_one_source(differing: int, threshold: float, verdict: str) -> None:
    sources = (SourceSkew(Served.ONLINE, 10), SourceSkew(Served.LOG, 10, differing))
    skew = Skew("churn", date(2024, 1, 31), 10, threshold, sources)
    assert skew.verdict == verdict
    assert json.loads(json.dumps(skew.to_dict()))["sources"][1]["share"] == differing / 10


@given(
    entities=st.integers(0, 50),
    served=st.integers(0, 50),
    strange=st.integers(0, 50),
    share=st.floats(0, 1),
)
def test_more_keys_than_entities_are_never_hidden(entities: int, served: int, strange: int, share: float) -> None:
    looked_at = max(round(share * served), min(served, 1))
    strangers = [f"u{n}" for n in range(min(strange, looked_at))]
    found = with_surplus(SourceSkew(Served.ONLINE, entities), entities, served, looked_at, strangers)
    assert (found.surplus > 0) == (bool(strangers) or served > entities)
    assert len(strangers) <= found.surplus <= looked_at
    assert (found.compared, found.differing) == (entities + found.surplus, found.surplus)
    assert found.surplus_examples == tuple(strangers[:5])
    if looked_at == served and len(strangers) >= served - entities:
        assert found.surplus == len(strangers), "where all were looked up they are counted"
