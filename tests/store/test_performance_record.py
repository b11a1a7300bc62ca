"""What a record keeps of the model."""

import math
from dataclasses import replace

import pytest
from pydantic import ValidationError

from driftgate.performance.result import Change, PerformanceState, not_measured
from driftgate.store.performance_record import MeasureRecord, PerformanceRecord
from tests.reports.runs import measured, monitor


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
