"""The parts of a record: what is copied, what is not a number, and what a part refuses."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.decision import Signal
from driftgate.features.skew import STANDS_FOR, Mismatch, Served, SkewState, SourceSkew
from driftgate.store.record import EarlierRecord, ReportsRecord, RunRecord
from driftgate.store.record_parts import ColumnRecord, SignalRecord, SkewRecord, TargetRecord
from tests.reports.runs import CHECKED_AT, NO_TARGET, PERMUTED, checked, column, finished, monitor


def test_a_part_takes_the_attributes_of_its_name_and_what_it_is_given() -> None:
    item = column("tenure", 0.5, missing_ref=0.25, missing_cur=0.75)
    record = ColumnRecord.of(item)
    assert (record.name, record.score, record.drifted_by) == (item.name, item.score, item.drifted_by)
    assert (record.missing_share_ref, record.missing_share_cur, record.missing_share_change) == (0.25, 0.75, 0.5)


def test_what_is_not_computable_is_none() -> None:
    target = TargetRecord.of(NO_TARGET, monitor())
    assert (target.ref, target.cur, target.abs_diff, target.reason) == (None, 0.24, None, NO_TARGET.reason)
    assert ColumnRecord.of(column("a", math.inf)).score is None


def test_a_signal_comes_back_with_a_value_that_is_not_a_number_yet() -> None:
    found = SignalRecord.copied(Signal("auc_drop", "performance_drop", math.nan, 0.05, False, "auc_drop pending"))
    assert found.value is None and math.isnan(found.signal.value)
    assert found.signal.text == "auc_drop pending"


def test_the_files_are_called_as_in_the_json() -> None:
    reports = ReportsRecord.model_validate({"html": "a.html", "json": "a.json"})
    assert (reports.html_file, reports.json_file) == ("a.html", "a.json")
    assert reports.model_dump(by_alias=True) == {"html": "a.html", "json": "a.json"}


def test_a_time_without_a_zone_is_of_utc() -> None:
    early = EarlierRecord.model_validate(
        {
            "decided_at": "0001-01-01T00:00:00",
            "verdict": "NO_ACTION",
            "champion": None,
            "reason_codes": (),
            "withdrawn": False,
        }
    )
    assert early.decided_at == datetime.min.replace(tzinfo=UTC)


# ---- served features


def test_no_check_is_a_state_and_no_figure() -> None:
    found = RunRecord.of(finished()).content["skew"]
    nothing = {"checked_at": None, "threshold": None, "share": None, "sources": []}
    assert found == {"state": "not checked", **nothing}


def test_a_record_of_an_earlier_release_says_nothing_of_a_check() -> None:
    content = {name: value for name, value in RunRecord.of(finished()).content.items() if name != "skew"}
    assert RunRecord.model_validate(content).skew is None


def test_a_check_is_recorded_with_its_features_and_without_keys() -> None:
    record = SkewRecord.of(checked(PERMUTED, SourceSkew(Served.LOG, 0)), CHECKED_AT)
    assert (record.state, record.checked_at, record.threshold, record.share) == ("mismatches", CHECKED_AT, 0.0, 0.001)
    assert record.features == {"watch_hours_30d": 2}
    assert [item.share for item in record.sources] == [0.001, None]
    text = json.dumps(record.model_dump(mode="json"))
    assert "watch_hours_30d" in text and "u1" not in text and "u2" not in text


def test_features_are_the_worst_first_whichever_source_has_them() -> None:
    online = SourceSkew(Served.ONLINE, 9, 5, mismatches=(Mismatch("a", 5, ()), Mismatch("b", 1, ())))
    log = SourceSkew(Served.LOG, 8, 8, mismatches=(Mismatch("b", 8, ()), Mismatch("c", 5, ())))
    record = SkewRecord.of(checked(online, log), CHECKED_AT)
    assert list(record.features.items()) == [("b", 8), ("a", 5), ("c", 5)]
    assert record.share == 1.0


@pytest.mark.parametrize(
    ("differing", "threshold", "state"),
    [(0, 0.0, SkewState.AGREES), (1, 0.0, SkewState.MISMATCHES), (1, 0.1, SkewState.AGREES), (2, 0.1, "mismatches")],
)
def test_the_threshold_of_the_check_divides_the_states(differing: int, threshold: float, state: SkewState) -> None:
    assert SkewRecord.of(checked(SourceSkew(Served.LOG, 10, differing), threshold=threshold), CHECKED_AT).state == state


@given(
    differing=st.integers(0, 1),
    age=st.timedeltas(timedelta(0), timedelta(days=9)),
    changed=st.none() | st.timedeltas(timedelta(days=-9), timedelta(days=9)),
)
def test_a_check_agrees_only_while_it_is_new_and_of_what_is_there(
    differing: int, age: timedelta, changed: timedelta | None
) -> None:
    changed_at = None if changed is None else CHECKED_AT + changed
    check = replace(checked(SourceSkew(Served.ONLINE, 10, differing)), changed_at=changed_at)
    record = SkewRecord.of(check, CHECKED_AT + age)
    new = age <= STANDS_FOR and (changed is None or changed <= timedelta(0))
    stands = SkewState.AGREES if new else SkewState.NOT_CHECKED_SINCE
    assert record.state is (SkewState.MISMATCHES if differing else stands)
    assert (record.checked_at, record.share) == (CHECKED_AT, differing / 10), "what it found is kept"


_SOURCES = st.builds(
    lambda source, compared, share: SourceSkew(source, compared, round(share * compared)),
    st.sampled_from(Served),
    st.integers(0, 50),
    st.floats(0, 1),
)


@given(sources=st.lists(_SOURCES, min_size=1, max_size=2), threshold=st.floats(0, 1))
def test_what_agrees_was_compared_and_differs_in_no_source_beyond_the_threshold(
    sources: list[SourceSkew], threshold: float
) -> None:
    record = SkewRecord.of(checked(*sources, threshold=threshold), CHECKED_AT)
    compared = [item.differing / item.compared for item in sources if item.compared]
    if not compared:
        assert (record.state, record.share) == (SkewState.NOT_CHECKED, None)
    else:
        assert record.share == max(compared)
        assert (record.state is SkewState.AGREES) == all(share <= threshold for share in compared)
    assert SkewRecord.model_validate_json(record.model_dump_json()) == record
