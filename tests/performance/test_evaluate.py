"""Why a month cannot be measured, said before anything is scored."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from driftgate.features.labels import LabelMonth
from driftgate.measures import LARGEST_LABEL, MOST_CLASSES, LabelKind
from driftgate.performance.evaluate import common_kind, why_not, why_not_of, why_unusable
from driftgate.performance.result import PerformanceState
from tests.reports.runs import finished

MONITOR = finished().monitor.model_copy(update={"performance": "on"})
REF = LabelMonth(date(2024, 1, 31), 9, 9, 0.3, "", LabelKind.BOOLEAN, Path("unread"))
CUR = replace(REF, as_of=date(2024, 2, 29))


@pytest.mark.parametrize("champion", [True, False])
def test_months_with_labels_are_measured(champion: bool) -> None:
    assert why_not(REF, CUR, MONITOR, champion) is None


def test_off_is_off_whatever_the_labels_are() -> None:
    found = why_not(REF, replace(CUR, reason="none"), MONITOR.model_copy(update={"performance": "off"}), True)
    assert found is not None and found.state is PerformanceState.OFF


def test_labels_to_come_are_pending_unless_the_probe_lacks_its_own() -> None:
    late, none = replace(CUR, reason="pending, 43% labelled", pending=True), replace(REF, reason="no labels")
    for champion, ref, state in (
        (True, none, PerformanceState.PENDING),
        (False, REF, PerformanceState.PENDING),
        (False, none, PerformanceState.NOT_COMPUTABLE),
    ):
        found = why_not(ref, late, MONITOR, champion)
        assert found is not None and found.state is state


def test_the_labels_of_the_reference_are_needed_for_a_probe_alone() -> None:
    none = replace(REF, reason="no labels")
    assert why_not(none, CUR, MONITOR, True) is None
    found = why_not(none, CUR, MONITOR, False)
    assert found is not None and found.reason == "not computable: 2024-01-31: no labels"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"constant": "false"}, "every label of 2024-02-29 is false"),
        ({"largest": LARGEST_LABEL * 2}, "can be measured"),
        ({"classes": MOST_CLASSES + 1}, f"up to {MOST_CLASSES} are measured"),
    ],
)
def test_labels_that_cannot_be_measured_against_are_named(changes: dict[str, object], words: str) -> None:
    assert words in why_unusable(replace(CUR, **changes))
    assert why_unusable(CUR) == ""


@pytest.mark.parametrize(
    ("ref", "cur", "both"),
    [
        (LabelKind.BOOLEAN, LabelKind.BOOLEAN, LabelKind.BOOLEAN),
        (LabelKind.BOOLEAN, LabelKind.NUMERIC, LabelKind.NUMERIC),
        (LabelKind.NUMERIC, LabelKind.CATEGORICAL, None),
        (LabelKind.CATEGORICAL, LabelKind.BOOLEAN, None),
    ],
)
def test_numbers_and_classes_are_not_mixed(ref: LabelKind, cur: LabelKind, both: LabelKind | None) -> None:
    assert common_kind(replace(REF, kind=ref), replace(CUR, kind=cur)) is both


def test_a_model_of_another_kind_of_label_is_not_measured() -> None:
    assert why_not_of(LabelKind.BOOLEAN, "champion v1", CUR) is None
    assert why_not_of(LabelKind.NUMERIC, "champion v1", CUR) is None, "0 and 1 are numbers"
    found = why_not_of(LabelKind.CATEGORICAL, "champion v1", CUR)
    assert found is not None and "champion v1 predicts a categorical label" in found.reason
