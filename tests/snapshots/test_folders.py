"""Month folders by their names, and a clear error where there is none or two are of one day."""

from datetime import date
from pathlib import Path

import pytest

from driftgate.errors import DataError
from driftgate.snapshots.folders import as_of_of, month_folders


def test_dated_and_numbered_folders_stand_in_order_and_all_else_is_left_alone(tmp_path: Path) -> None:
    for name in ("month_002", "2024-01-31", "notes", "2024-02-31", "month_1"):
        (tmp_path / name).mkdir()
    (tmp_path / "2024-02-29").write_text("a file")
    assert month_folders(tmp_path) == [
        (tmp_path / "2024-01-31", date(2024, 1, 31)),
        (tmp_path / "month_002", date(2024, 3, 31)),
    ]


def test_two_folders_of_one_day_are_refused(tmp_path: Path) -> None:
    for name in ("month_000", "2024-01-31"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="are both of 2024-01-31"):
        month_folders(tmp_path)


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_no_month_folder_says_how_they_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as caught:
        month_folders(tmp_path / name)
    assert "month_000" in caught.value.allowed


@pytest.mark.parametrize("name", ["2024-1-31", "2024-01-31 ", "month_0000", "MONTH_001", "20240131", "2024-13-01"])
def test_other_names_are_no_days(name: str) -> None:
    assert as_of_of(name) is None
