"""Why and where a model is worse, from months in files: it is asked only where the drop is sure."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from driftgate.drift.comparison import Side
from driftgate.features.entities import MonthSize
from driftgate.performance.explain import explain
from driftgate.performance.findings import Unexplained
from driftgate.performance.result import Performance
from driftgate.performance.scoring import measure, score_months
from driftgate.shared import Shared
from tests.drift.months import ledger_of, profile_of
from tests.performance.months import FEB, JAN, monitor, month

USERS = 1500


def test_months_whose_label_turned_say_why_and_where(tmp_path: Path) -> None:
    found = asked(tmp_path, -2.0)
    assert found.causes.split and found.causes.meaning.low > 0.2 > abs(found.causes.entities.value)
    assert found.segments.searched and found.segments.tested + found.segments.too_few == 16
    # The label follows this feature, so that the model has most to lose where its values are spread.
    assert {item.segment.feature for item in found.segments.named} <= {"usage"}


def test_the_causes_in_large_months_are_of_a_part_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asked(tmp_path, -2.0).causes
    monkeypatch.setattr("driftgate.performance.explain.MOST_ENTITIES", 250)
    part = asked(tmp_path, -2.0).causes
    assert part.alike < 250 < whole.alike
    assert part.meaning.low < whole.meaning.value < part.meaning.high


def test_the_monitor_declares_the_segments(tmp_path: Path) -> None:
    found = asked(tmp_path, -2.0, segments=["plan"]).segments
    assert found.tested == 3 and found.too_few == 0, "two categories, and missing ones"


def test_months_without_a_drop_are_not_explained(tmp_path: Path) -> None:
    found = asked(tmp_path, 2.0)
    assert found.measured
    assert found.causes.code is found.segments.code is Unexplained.NO_DROP


def test_a_probe_of_another_month_needs_scores_of_the_reference(tmp_path: Path) -> None:
    found = asked(tmp_path, -2.0, trained_elsewhere=True)
    assert found.causes.code is found.segments.code is Unexplained.NO_REFERENCE
    assert str(JAN) in found.segments.reason


def test_a_drop_that_is_surely_too_small_to_ask_for_anything_is_not_explained(tmp_path: Path) -> None:
    found = asked(tmp_path, -2.0, performance_drop=0.9)
    assert found.drop_interval[0] > 0.2
    assert found.causes.code is found.segments.code is Unexplained.SMALL_DROP and "0.9" in found.causes.reason
    assert found.feature_costs == ()


def asked(
    folder: Path,
    strength: float,
    trained_elsewhere: bool = False,
    segments: Sequence[str] = (),
    performance_drop: float = 0.05,
) -> Performance:
    """Two months whose label follows a value by 2, then by `strength`; a probe is measured."""
    made = month(folder, JAN, USERS, 1), month(folder, FEB, USERS, 2, strength)
    ref, cur = (Side(MonthSize(item[0].as_of, USERS, USERS), *item, profile_of(item[0])) for item in made)
    rules = monitor(segments=list(segments), min_rows=30, performance_drop=performance_drop)
    ledger = ledger_of(ref.features, cur.features, rules)
    scoring = score_months(None, rules, ref, cur, ledger, Shared(folder))
    performance = measure(scoring, rules, ref, cur)
    if trained_elsewhere:
        assert scoring.evaluation is not None
        scoring = replace(scoring, evaluation=replace(scoring.evaluation, trained_on=FEB))
    return explain(scoring, performance, rules, ref, cur, ledger)
