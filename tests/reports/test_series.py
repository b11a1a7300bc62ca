"""Runs are put on lines by what they are held against; none is lost, and none is on a line twice."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from driftgate.reports.series import chain, series_of
from driftgate.store.record import RunRecord
from tests.reports.runs import APRIL, FEBRUARY, JANUARY, MARCH, finished

MONTHS = [date(2024, month, 28) for month in range(1, 9)]


def run(ref: date, cur: date, hour: int = 12) -> RunRecord:
    return RunRecord.of(finished(months=(ref, cur), decided_at=datetime(2024, 9, 1, hour, tzinfo=UTC)))


def named(records: list[RunRecord]) -> dict[str, list[tuple[date, date]]]:
    return {series.name: [item.pair for item in series.records] for series in series_of(records)}


def test_each_kind_of_reference_has_a_line_of_its_own() -> None:
    pairs = [(JANUARY, FEBRUARY), (FEBRUARY, MARCH), (MARCH, APRIL), (JANUARY, MARCH), (JANUARY, APRIL)]
    assert named([run(*pair) for pair in reversed(pairs)]) == {
        "the month before": pairs[:3],
        "January 2024": [(JANUARY, FEBRUARY), (JANUARY, MARCH), (JANUARY, APRIL)],
    }


def test_a_reference_that_moves_along_is_named_by_its_distance() -> None:
    pairs = [(MONTHS[n], MONTHS[n + 3]) for n in range(5)]
    assert named([run(*pair) for pair in pairs]) == {"3 months before": pairs}


def test_a_run_that_fits_no_line_stands_alone() -> None:
    assert named([run(JANUARY, FEBRUARY), run(FEBRUARY, MARCH), run(JANUARY, APRIL)])["January 2024"] == [
        (JANUARY, FEBRUARY),
        (JANUARY, APRIL),
    ]
    lonely = named([run(JANUARY, FEBRUARY), run(FEBRUARY, MARCH), run(FEBRUARY, APRIL), run(JANUARY, APRIL)])
    assert lonely["February 2024"] == [(FEBRUARY, MARCH), (FEBRUARY, APRIL)]


def test_the_line_that_reaches_furthest_comes_first() -> None:
    runs = [run(JANUARY, FEBRUARY), run(FEBRUARY, MARCH), run(JANUARY, APRIL)]
    assert list(named(runs)) == ["January 2024", "the month before"]
    assert series_of([]) == []


def test_a_chain_ends_with_its_run_and_knows_nothing_later() -> None:
    runs = [run(*pair) for pair in [(JANUARY, FEBRUARY), (FEBRUARY, MARCH), (MARCH, APRIL), (JANUARY, MARCH)]]
    assert [item.pair for item in chain(runs[1], runs)] == [(JANUARY, FEBRUARY), (FEBRUARY, MARCH)]
    assert [item.pair for item in chain(runs[0], runs)] == [(JANUARY, FEBRUARY)]
    assert [item.pair for item in chain(runs[3], runs)] == [(JANUARY, FEBRUARY), (JANUARY, MARCH)]
    other = runs[0].model_copy(update={"monitor": "orders"})
    assert chain(runs[1], [other]) == (runs[1],)


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1]), min_size=1))
def test_every_run_is_on_a_line_and_each_line_goes_forward(pairs: set[tuple[int, int]]) -> None:
    runs = [run(MONTHS[ref], MONTHS[cur]) for ref, cur in sorted(pairs)]
    found = series_of(runs)
    assert {item.pair for series in found for item in series.records} == {item.pair for item in runs}
    assert len({series.name for series in found}) == len(found) or any(len(series.records) == 1 for series in found)
    for series in found:
        months = [item.inputs.as_of_cur for item in series.records]
        assert months == sorted(set(months))
    for item in runs:
        assert chain(item, runs)[-1] is item
