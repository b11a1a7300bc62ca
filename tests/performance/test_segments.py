"""Where a model is worse, on data whose answer is known: everywhere alike, or in one or two planted segments."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.measures import LabelKind
from driftgate.performance.bootstrap import Scored
from driftgate.performance.findings import Segment, SegmentKind, Segments
from driftgate.performance.segments import MOST_NAMED, Candidate, candidates_of, find_segments
from driftgate.training.features import InputKind, ModelFeature

RATE = 0.01
SHARES = {"net": (0.41, 0.34, 0.25), "plan": (0.55, 0.25, 0.2), "paperless": (0.6, 0.4), "fee": (0.25,) * 4}
Groups = dict[str, np.ndarray]


def groups(random: np.random.Generator, rows: int) -> Groups:
    """Features without a relation to anything, and one that follows `net`: overlapping segments."""
    drawn = {name: random.choice(len(shares), rows, p=shares) for name, shares in SHARES.items()}
    drawn["near"] = np.where(random.random(rows) < 0.8, drawn["net"], random.integers(0, 3, rows))
    return drawn


def entities(
    random: np.random.Generator, of: Groups, kind: LabelKind, strength: np.ndarray | float, prefix: str
) -> Scored:
    """Entities whose labels follow the model's score by `strength`; less of it makes the model worse."""
    rows = len(of["net"])
    keys = np.array([f"{prefix}{number}" for number in range(rows)])
    if kind is LabelKind.NUMERIC:
        labels = random.normal(size=rows)
        return Scored(keys, labels, labels + random.normal(size=rows) / strength, kind)
    value = random.normal(size=rows)
    labels = (random.random(rows) < 1 / (1 + np.exp(-strength * value))).astype(float)
    scores = 1 / (1 + np.exp(-2 * value))
    return Scored(keys, labels, scores if kind is LabelKind.BOOLEAN else np.c_[1 - scores, scores], kind)


def candidates(ref: Groups, cur: Groups) -> list[Candidate]:
    return [
        Candidate(Segment(name, SegmentKind.CATEGORY, str(at)), ref[name] == at, cur[name] == at)
        for name in ref
        for at in np.unique(ref[name]).tolist()
    ]


def found(
    seed: int, weak: float, planted: str, kind: LabelKind = LabelKind.BOOLEAN, shared: bool = False, level: float = RATE
) -> Segments:
    """A validation of 1,000 and a month of 3,000; `planted` is all, or names a feature whose first group is weak."""
    random = np.random.default_rng(seed)
    old, new = groups(random, 1000), groups(random, 3000)
    strength = np.where((planted == "all") | (new.get(planted, old["net"][:1]) == 0), weak, 2.0)
    ref = entities(random, old, kind, np.full(1000, 2.0), "u")
    cur = entities(random, new, kind, strength, "u" if shared else "v")
    return find_segments(ref, cur, candidates(old, new), level, 100)


@pytest.mark.parametrize("kind", [LabelKind.BOOLEAN, LabelKind.NUMERIC])
def test_a_drop_that_is_the_same_everywhere_names_a_segment_at_most_as_often_as_allowed(kind: LabelKind) -> None:
    """60 months, every second one of the same entities; by chance 5% of them, more than seven with one of 2%."""
    named = [found(seed, 1.0, "all", kind, bool(seed % 2), 0.05).named for seed in range(60)]
    assert sum(map(bool, named)) <= 7


@pytest.mark.parametrize(
    ("kind", "weak", "rounds"),
    [(LabelKind.BOOLEAN, 0.5, 40), (LabelKind.NUMERIC, 1.4, 40), (LabelKind.CATEGORICAL, 0.5, 10)],
)
def test_a_drop_in_one_category_is_found_there_first(kind: LabelKind, weak: float, rounds: int) -> None:
    named = [found(seed, weak, "net", kind).named for seed in range(rounds)]
    assert sum(bool(item) and item[0].segment.name == "net = 0" for item in named) >= 0.95 * rounds


def test_what_overlaps_with_a_named_segment_is_not_named_beside_it() -> None:
    results = [found(seed, 0.0, "net") for seed in range(10)]
    assert all([item.segment.name for item in result.named] == ["net = 0"] for result in results)
    first = results[0].named[0]
    assert first.ref > 0.8 > 0.55 > first.cur and first.drop.low > 0.2 and abs(first.rest_drop) < 0.05
    assert first.share_cur == pytest.approx(0.41, abs=0.02) and first.entities_cur / 3000 == first.share_cur
    assert first.p_value <= RATE and results[0].tested == 15 and results[0].too_few == 0


@pytest.mark.parametrize("kind", [LabelKind.BOOLEAN, LabelKind.NUMERIC])
def test_a_segment_without_a_single_error_has_a_standard_error_or_is_not_tested(kind: LabelKind) -> None:
    random = np.random.default_rng(2)
    of, first = {"net": np.zeros(600, int)}, np.arange(600) < 200
    ref, cur = (entities(random, of, kind, np.full(600, 2.0), prefix) for prefix in "uv")
    right = np.where(ref.labels == 1, 0.9, 0.1) if kind is LabelKind.BOOLEAN else ref.labels
    ref = Scored(ref.keys, ref.labels, np.where(first, right, ref.scores), kind)
    result = find_segments(ref, cur, [Candidate(Segment("f", SegmentKind.CATEGORY, "a"), first, first)], RATE)
    assert (result.tested, result.too_few) == ((1, 0) if kind is LabelKind.BOOLEAN else (0, 1))
    for item in result.named:
        assert item.ref == 1.0 and item.drop.low < item.drop.value < item.drop.high


def test_two_planted_segments_are_both_found() -> None:
    random = np.random.default_rng(3)
    old, new = groups(random, 3000), groups(random, 6000)
    strength = np.where((new["net"] == 0) | (new["plan"] == 2), 0.0, 2.0)
    ref, cur = (entities(random, of, LabelKind.BOOLEAN, s, p) for of, s, p in ((old, 2.0, "u"), (new, strength, "v")))
    named = find_segments(ref, cur, candidates(old, new), RATE).named
    assert {item.segment.name for item in named} == {"net = 0", "plan = 2"} and len(named) <= MOST_NAMED


def test_a_model_that_became_better_names_nothing() -> None:
    assert not found(1, 6.0, "net").named


def test_segments_with_too_few_entities_or_one_class_are_counted_and_not_tested() -> None:
    random = np.random.default_rng(1)
    of = {"net": np.zeros(400, int)}
    ref, cur = (entities(random, of, LabelKind.BOOLEAN, 2.0, prefix) for prefix in "uv")
    few = np.arange(400) < 50
    everyone, positive = np.ones(400, bool), (ref.labels == 1, cur.labels == 1)
    masks = [(few, few), positive, (everyone, everyone), (ref.scores > 0.5, cur.scores > 0.5)]
    made = [Candidate(Segment("f", SegmentKind.CATEGORY, str(at)), *pair) for at, pair in enumerate(masks)]
    result = find_segments(ref, cur, made, RATE, 100)
    assert (result.tested, result.too_few) == (1, 3), "one that is everyone has no others to be held against"


FEATURES = (
    ModelFeature("age", "v", "FLOAT64", InputKind.NUMBER),
    ModelFeature("net", "v", "STRING", InputKind.CATEGORY),
    ModelFeature("paperless", "v", "BOOL", InputKind.BOOLEAN),
)


def test_segments_are_common_categories_quarters_of_the_reference_and_missing_values() -> None:
    ref = {
        "age": np.r_[np.arange(100.0), np.nan],
        "net": ["Fiber"] * 60 + ["DSL"] * 40 + [None],
        "paperless": np.r_[np.ones(60), np.zeros(40), np.nan],
    }
    cur = {"age": np.full(4, 1000.0), "net": ["Fiber", "new", None, None], "paperless": np.array([1, 1, 0, np.nan])}
    made = {item.segment.name: item for item in candidates_of(FEATURES, ref, cur)}
    assert list(made) == [
        "age < 24.75", "24.75 <= age < 49.5", "49.5 <= age < 74.25", "age >= 74.25", "age is missing",
        "net = Fiber", "net = DSL", "net is missing",
        "paperless = true", "paperless = false", "paperless is missing",
    ]  # fmt: skip
    assert made["age >= 74.25"].cur.all() and made["age < 24.75"].ref.sum() == 25
    assert made["net is missing"].cur.tolist() == [False, False, True, True]
    assert made["paperless = true"].cur.tolist() == [True, True, False, False]


def test_only_common_categories_are_segments_and_a_constant_number_is_none() -> None:
    ref = {"net": [f"c{n % 40:02}" for n in range(400)] + ["c07"] * 9, "age": np.full(409, 7.0)}
    made = [item.segment.name for item in candidates_of(FEATURES[:2], ref, ref)]
    assert made[:2] == ["age is missing", "net = c07"] and len(made) == 12


@given(st.lists(st.none() | st.floats(allow_infinity=True), min_size=1, max_size=40), st.data())
def test_each_entity_is_in_one_segment_of_a_feature(values: list[float | None], data: st.DataObject) -> None:
    ref = np.array([np.nan if value is None else value for value in values])
    cur = np.array(data.draw(st.lists(st.floats(), min_size=1, max_size=10)))
    made = candidates_of(FEATURES[:1], {"age": ref}, {"age": cur})
    for side in zip(*((item.ref, item.cur) for item in made), strict=True):
        counted = np.sum(side, axis=0)
        assert counted.max() <= 1
    if len(made) > 1:
        assert np.sum([item.ref for item in made], axis=0).min() == 1


def scaled(factor: float) -> Iterator[Scored]:
    random = np.random.default_rng(5)
    for prefix, strength in (("u", 2.0), ("v", np.where(np.arange(2000) < 800, 0.8, 2.0))):
        side = entities(random, {"net": np.zeros(2000, int)}, LabelKind.NUMERIC, strength, prefix)
        yield Scored(side.keys, side.labels * factor, side.scores * factor, side.kind)


@pytest.mark.parametrize("factor", [1e-6, 1e9])
def test_an_error_is_told_in_parts_of_itself_whatever_the_unit(factor: float) -> None:
    first = np.arange(2000) < 800
    made = [Candidate(Segment("f", SegmentKind.CATEGORY, "a"), first, first)]
    plain, other = (find_segments(*scaled(by), made, RATE).named[0] for by in (1.0, factor))
    assert other.drop.value == pytest.approx(plain.drop.value) and other.drop.low == pytest.approx(plain.drop.low)
    assert 1.2 < plain.drop.low < plain.drop.value < plain.drop.high < 2.0 and abs(plain.rest_drop) < 0.1
