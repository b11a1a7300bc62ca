"""The parts of a record: what is copied, what is not a number, and what a part refuses."""

import math
from datetime import UTC, datetime

from driftgate.decision import Signal
from driftgate.store.record import EarlierRecord, ReportsRecord
from driftgate.store.record_parts import ColumnRecord, SignalRecord, TargetRecord
from tests.reports.runs import NO_TARGET, column, monitor


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
        {"decided_at": "0001-01-01T00:00:00", "verdict": "", "champion": None, "reason_codes": (), "withdrawn": False}
    )
    assert early.decided_at == datetime.min.replace(tzinfo=UTC)
