"""What a comparison found, as plain values: the share, the order of the columns, and the direction of each method."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from driftgate.drift.result import ColumnResult, ColumnState, DriftResult, is_drift
from driftgate.methods import METHODS

SHARES = st.floats(0.0, 1.0)


@st.composite
def columns(draw: st.DrawFn, name: str) -> ColumnResult:
    state = draw(st.sampled_from(ColumnState))
    if state is not ColumnState.COMPARED:
        return ColumnResult(name, "view", "FLOAT64", state, drifted=True)
    method = draw(st.sampled_from(sorted(METHODS)))
    score, threshold = draw(SHARES), draw(st.floats(0.01, 1.0))
    drifted = is_drift(method, score, threshold)
    return ColumnResult(
        name, "view", "FLOAT64", state, method=method, score=score, threshold=threshold, drifted=drifted
    )


@st.composite
def results(draw: st.DrawFn) -> DriftResult:
    names = [f"f{at}" for at in range(draw(st.integers(1, 6)))]
    found = tuple(draw(columns(name)) for name in names)
    return DriftResult(date(2024, 1, 31), date(2024, 2, 29), 10, 10, 10, 10, found)


@given(results())
def test_the_share_is_over_every_declared_feature(found: DriftResult) -> None:
    assert found.drift_share == sum(column.drifted for column in found.columns) / len(found.columns)


@given(results())
def test_drifted_columns_come_before_the_others_and_none_is_lost(found: DriftResult) -> None:
    order = found.worst_first
    assert sorted(column.name for column in order) == sorted(column.name for column in found.columns)
    # At the threshold a distance drifts and a p-value does not: both have the severity 1.
    beyond = [column.severity > 1 for column in order]
    assert beyond == sorted(beyond, reverse=True)
    assert all(column.drifted for column in order if column.severity > 1)
    assert all(column.severity >= 1 for column in order if column.drifted)


@given(st.sampled_from(sorted(METHODS)), SHARES, SHARES, SHARES)
def test_a_score_that_is_worse_drifts_where_a_better_one_does(
    method: str, one: float, other: float, threshold: float
) -> None:
    better, worse = sorted((one, other), reverse=METHODS[method].p_value)
    assert is_drift(method, worse, threshold) or not is_drift(method, better, threshold)


def test_a_month_is_sampled_where_fewer_rows_were_compared() -> None:
    days = date(2024, 1, 31), date(2024, 2, 29)
    assert not DriftResult(*days, 10, 20, 10, 20, ()).sampled
    assert DriftResult(*days, 10, 20, 10, 20, (), sample_rows_cur=19).sampled
