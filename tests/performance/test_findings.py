"""What is found out about a drop: how a segment is called, and what was not asked for."""

import math
from dataclasses import replace

from driftgate.performance.findings import NOT_SEARCHED, NOT_SPLIT, Segment, SegmentKind


def test_a_range_is_named_by_its_ends() -> None:
    whole = Segment("fee", SegmentKind.RANGE, lower=1.5, upper=9.0)
    assert whole.name == "1.5 <= fee < 9"
    assert replace(whole, lower=math.nan).name == "fee < 9" and replace(whole, upper=math.nan).name == "fee >= 1.5"


def test_what_nobody_asked_for_is_no_finding() -> None:
    assert not NOT_SPLIT.split and not NOT_SEARCHED.searched
