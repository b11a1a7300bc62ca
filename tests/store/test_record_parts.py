"""The parts of a record: what is copied, what is not a number, and what a part refuses."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from driftgate.decision import Signal
from driftgate.performance.result import Change, PerformanceState, not_measured
from driftgate.store.record import EarlierRecord, ReportsRecord
from driftgate.store.record_parts import (
    ColumnRecord,
    MeasureRecord,
    PerformanceRecord,
    SignalRecord,
    TargetRecord,
)
from tests.reports.runs import NO_TARGET, column, measured, monitor


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


def test_a_drop_is_the_reference_less_the_current_month_with_its_interval() -> None:
    auc = MeasureRecord.copied(Change(0.75, 0.5, -0.5, 0.0, 0.001))
    assert (auc.drop, auc.drop_low, auc.drop_high, auc.difference) == (0.25, 0.0, 0.5, -0.25)
    assert math.copysign(1, auc.drop_low) == 1, "minus zero would be printed as such"


def test_a_number_that_must_be_there_is_never_nan() -> None:
    with pytest.raises(ValidationError, match="finite number"):
        MeasureRecord.copied(Change(0.75, math.nan, -0.5, 0.0, 0.001))


def test_a_performance_says_whether_it_was_measured() -> None:
    found = PerformanceRecord.of(measured(0.8, 0.5), monitor(performance_drop=0.2))
    assert found.auc and (found.auc.ref, found.threshold, found.champion) == (0.8, 0.2, "1")
    pending = PerformanceRecord.of(not_measured(PerformanceState.PENDING, "43% labelled"), monitor())
    assert (pending.auc, pending.reason) == (None, "43% labelled")
    with pytest.raises(ValidationError, match="it is measured and holds no auc"):
        PerformanceRecord.of(not_measured(PerformanceState.MEASURED, ""), monitor())


def test_an_error_rises_in_parts_of_its_reference() -> None:
    rmse = Change(2.0, 3.0, 0.8, 1.2, 0.001, 0.4, 0.6)
    found = PerformanceRecord.of(replace(measured(0.8, 0.5), measure="rmse", measures={"rmse": rmse}), monitor())
    assert (found.measure, found.drop, found.drop_low, found.drop_high, found.auc) == ("rmse", 0.5, 0.4, 0.6, None)
    with pytest.raises(ValidationError, match="it is measured and holds no rmse"):
        PerformanceRecord.of(replace(measured(0.8, 0.5), measure="rmse"), monitor())
    with pytest.raises(ValidationError, match="the measure guess is not known"):
        PerformanceRecord.of(replace(measured(0.8, 0.5), measure="guess"), monitor())


def test_the_files_are_called_as_in_the_json() -> None:
    reports = ReportsRecord.model_validate({"html": "a.html", "json": "a.json"})
    assert (reports.html_file, reports.json_file) == ("a.html", "a.json")
    assert reports.model_dump(by_alias=True) == {"html": "a.html", "json": "a.json"}


def test_a_time_without_a_zone_is_of_utc() -> None:
    early = EarlierRecord.model_validate(
        {"decided_at": "0001-01-01T00:00:00", "verdict": "", "champion": None, "reason_codes": (), "withdrawn": False}
    )
    assert early.decided_at == datetime.min.replace(tzinfo=UTC)
