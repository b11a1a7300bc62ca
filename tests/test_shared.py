"""What several pairs need is found once, and goes with its month."""

from datetime import date
from pathlib import Path

import pytest

from driftgate.shared import Shared

JAN, FEB, MAR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)


def test_a_result_is_found_once_for_its_month_and_name(tmp_path: Path) -> None:
    shared, asked = Shared(tmp_path), []

    def find(what: str) -> str:
        asked.append(what)
        return what

    assert [shared.once(month, "labels", lambda: find("labels")) for month in (JAN, JAN)] == ["labels"] * 2
    assert shared.once(JAN, "features", lambda: find("features")) == "features"
    assert shared.once(FEB, "labels", lambda: find("of February")) == "of February"
    assert asked == ["labels", "features", "of February"]


def test_only_what_is_missing_of_several_months_is_asked_for(tmp_path: Path) -> None:
    shared = Shared(tmp_path)
    shared.once(JAN, "size", lambda: 1)
    assert shared.each([JAN, FEB, MAR], "size", lambda months: {month: month.month for month in months}) == {
        JAN: 1,
        FEB: 2,
        MAR: 3,
    }
    assert shared.each([MAR], "size", lambda months: pytest.fail(f"asked for {months}")) == {MAR: 3}


def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    shared = Shared(tmp_path)
    with pytest.raises(ZeroDivisionError):
        shared.once(JAN, "share", lambda: 1 / 0)
    assert shared.once(JAN, "share", lambda: 0.5) == 0.5


def test_a_month_that_is_no_longer_needed_goes_with_its_files(tmp_path: Path) -> None:
    shared = Shared(tmp_path)
    for month in (JAN, FEB):
        shared.once(month, "labels", lambda: "old")
        shared.file(month, "labels.arrow").write_bytes(b"labels")
    shared.once(None, "champion", lambda: "v1")
    shared.keep([FEB])
    assert [path.name for path in tmp_path.iterdir()] == [str(FEB)]
    assert shared.once(FEB, "labels", lambda: "new") == "old"
    assert shared.once(JAN, "labels", lambda: "new") == "new"
    assert shared.once(None, "champion", lambda: "v2") == "v1", "it is of no month"
