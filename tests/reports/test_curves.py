"""The curves of a model's scores keep inside their square and go through the counts."""

import re

from hypothesis import given
from hypothesis import strategies as st

from driftgate.reports import curves
from driftgate.store.performance_record import ScoreBinRecord

BINS = st.lists(st.tuples(*[st.integers(0, 50), st.floats(0, 1), st.floats(0, 1)] * 2), min_size=1, max_size=19)


def bin_of(old: int, part: float, mean: float, new: int = 0, other: float = 0.0, score: float = 0.0) -> ScoreBinRecord:
    """A bin of `old` and `new` entities, of which these parts have the label, and their mean scores."""
    return ScoreBinRecord(
        lower=None,
        upper=None,
        entities_ref=old,
        positives_ref=int(old * part),
        mean_score_ref=mean if old else None,
        entities_cur=new,
        positives_cur=int(new * other),
        mean_score_cur=score if new else None,
    )


@given(BINS)
def test_curves_keep_inside_their_square(made: list[tuple[int, float, float, int, float, float]]) -> None:
    bins = [bin_of(*each) for each in made]
    for html in (curves.roc(bins, "AUC", "churned"), curves.calibration(bins, "error", "churned")):
        points = " ".join(re.findall(r"points='([^']*)'", html)).replace(",", " ").split()
        numbers = [float(each) for each in [*points, *re.findall(r"(?:left|top):([-\d.]+)%", html)]]
        assert numbers and all(0.0 <= each <= 100.0 for each in numbers)


def test_the_curves_go_through_the_counts() -> None:
    """Two bins: 30 of 40 positives and 10 of 60 negatives have the higher scores."""
    bins = [bin_of(60, 0.17, 0.2), bin_of(40, 0.75, 0.7)]
    html = curves.roc(bins, "AUC 0.79 then", "churned")
    assert "class='before' points='0.00,100.00 16.67,25.00 100.00,0.00'" in html
    assert "AUC 0.79 then" in html and "role='img'" in html
    drawn = curves.calibration(bins, "", "churned")
    assert "class='before' points='25.00,79.17 87.50,6.25'" in drawn, "the frame ends at 0.8"
