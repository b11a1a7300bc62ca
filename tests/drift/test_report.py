"""What Evidently's report is drawn of: all features, or the worst of a wide service."""

from pathlib import Path

import pytest

from driftgate.drift import report
from driftgate.drift.comparison import checked_against, compare
from driftgate.drift.report import draw, is_wide, worst_names
from driftgate.reports.banner import with_banner
from tests.drift.months import ledger_of, monitor, pair, side
from tests.reports.runs import decided

ROWS = 200
TYPES = dict.fromkeys("abcde", "FLOAT64")
REF = {name: [float(n) for n in range(ROWS)] for name in TYPES}
# By how much each feature moves: c most, then e.
MOVED = {name: [n + 100.0 * "abdec".index(name) for n in range(ROWS)] for name in TYPES}


def test_of_a_wide_service_the_worst_features_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "WIDEST_DRAWN", 4)
    monkeypatch.setattr(report, "MOST_DRAWN", 2)
    rules = monitor()
    ref, cur = (side(month) for month in pair(tmp_path, REF, MOVED, TYPES))
    ledger = ledger_of(ref.features, cur.features, rules)
    drift = compare(ref, cur, ledger, rules)
    assert is_wide(ledger) and worst_names(drift) == ("c", "e")
    months, labels = (ref.features, cur.features), (ref.labels, cur.labels)
    drawn = draw(months, labels, ledger, rules, only=worst_names(drift))
    assert set(drawn.scores) == {"c", "e"}
    assert checked_against(drift, drawn, ref, cur) == drift
    run = decided(drift, rules)
    words = "Of 5 features that were compared, this report draws the 2 that moved furthest"
    assert words in with_banner(drawn.html, run, drawn.scores)
    assert words not in with_banner(drawn.html, run, set(TYPES))
