"""Driftgate's pages on disk: made of the records that are there, whatever is in them and whoever else writes."""

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from driftgate.errors import OutputError
from driftgate.reports.index import INDEX, MONITOR, write_index, write_verdict
from driftgate.reports.words import month_name
from driftgate.store.record import record_text
from tests.reports.pages import Page, put
from tests.reports.runs import APRIL, FEBRUARY, JANUARY, MARCH, column, finished, lost


def page(folder: Path) -> Page:
    return Page(write_index(folder).read_text(encoding="utf-8"))


def every_page(folder: Path) -> dict[str, Page]:
    """All pages by their path, after they were made."""
    write_index(folder)
    names = [path for path in folder.rglob("*.html") if not path.name.startswith("drift_")]
    return {str(path.relative_to(folder)): Page(path.read_text(encoding="utf-8")) for path in names}


def test_each_verdict_and_each_monitor_has_a_page_beside_its_records(tmp_path: Path) -> None:
    put(tmp_path, finished())
    put(tmp_path / "orders", finished(name="orders", months=(FEBRUARY, MARCH)))
    assert set(every_page(tmp_path)) == {
        "index.html",
        "monitor.html",
        "verdict_2024-01-31_vs_2024-02-29.html",
        "orders/monitor.html",
        "orders/verdict_2024-02-29_vs_2024-03-31.html",
    }


def test_every_link_of_every_page_leads_to_a_file_that_is_there(tmp_path: Path) -> None:
    put(tmp_path / "or ders#1" / "ünï", finished(name="orders"))
    put(tmp_path, finished(), html=False)
    put(tmp_path, finished(months=(FEBRUARY, MARCH)))
    for name, found in every_page(tmp_path).items():
        assert found.links, name
        for link in found.links:
            assert not re.search(r"[\s#?<>\"']", link)
            assert ((tmp_path / name).parent / unquote(link)).is_file(), (name, link)


def test_a_page_is_drawn_from_the_record_alone(tmp_path: Path) -> None:
    record = put(tmp_path, finished(column("hours", 0.5)))
    drawn = write_verdict(tmp_path, record)
    assert drawn.name == "verdict_2024-01-31_vs_2024-02-29.html"
    assert "hours" in Page(drawn.read_text()).text
    first = drawn.read_bytes()
    drawn.unlink()
    write_index(tmp_path)
    assert drawn.read_bytes() == first


def test_a_verdict_page_is_drawn_again_where_its_record_is_newer(tmp_path: Path) -> None:
    record = put(tmp_path, finished())
    name = "verdict_2024-01-31_vs_2024-02-29.html"
    assert "1 of 14 features" in every_page(tmp_path)[name].text
    put(tmp_path, finished(column("hours", 0.5)))
    os.utime(record, ns=(2**62, 2**62))
    assert "1 of 1 features" in every_page(tmp_path)[name].text


def test_what_is_no_record_has_no_verdict_page(tmp_path: Path) -> None:
    (tmp_path / "decision_x.json").write_text("{")
    with pytest.raises(OutputError, match="is no decision record"):
        write_verdict(tmp_path, tmp_path / "decision_x.json")


def test_a_page_does_not_outlive_a_record_that_is_deleted_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import driftgate.reports.index as module

    record, write = put(tmp_path, finished()), module.write_atomic

    def slow(path: Path, text: str) -> None:
        record.unlink(missing_ok=True)
        write(path, text)

    monkeypatch.setattr(module, "write_atomic", slow)
    write_index(tmp_path)
    assert list(tmp_path.glob("verdict_*")) == []


def test_the_page_of_a_monitor_whose_records_are_gone_says_so(tmp_path: Path) -> None:
    record = put(tmp_path / "orders", finished(name="orders"))
    write_index(tmp_path)
    record.unlink()
    assert "No month is judged yet" in every_page(tmp_path)["orders/monitor.html"].text


def test_a_monitor_that_was_renamed_keeps_its_page_to_itself(tmp_path: Path) -> None:
    put(tmp_path, finished(name="old"))
    put(tmp_path, finished(months=(FEBRUARY, APRIL), name="new"))
    found = every_page(tmp_path)
    assert "a month of new" in found[MONITOR].text
    assert {"new", "old"} <= set(re.findall(r"\b(?:old|new)\b", found[INDEX].text))


UNKNOWN = {"trained_on": None, "users_ref": 0, "users_cur": 0, "relations": []}
MEASURED = {**UNKNOWN, "state": "measured", "reason": "", "champion": "1", "threshold": 0.05, "measures": {}}


def test_a_record_from_before_performance_was_measured_is_listed(tmp_path: Path) -> None:
    old = Path(__file__).parents[1] / "store/golden/first_release.json"
    (tmp_path / "decision_2024-01-31_vs_2024-02-29.json").write_bytes(old.read_bytes())
    found = every_page(tmp_path)
    assert "title='NO_ACTION'" in found[INDEX].html
    assert "Unreadable records" not in found[INDEX].text
    assert "held back" not in found[INDEX].text
    assert "not recorded" in found["verdict_2024-01-31_vs_2024-02-29.html"].text


@pytest.mark.parametrize(
    "performance",
    [MEASURED, MEASURED | {"state": "guessed"}, MEASURED | {"measures": {"auc": {"ref": 0.8}}}, {"state": "off"}],
)
def test_a_performance_that_is_not_one_is_never_shown_as_none(tmp_path: Path, performance: dict[str, Any]) -> None:
    put(tmp_path, finished(), performance=performance)
    text = page(tmp_path).text
    assert "Unreadable records" in text
    assert "performance" in text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"monitor": "churn"}',
        b'{"drift_share": NaN}',
        b"\x00" * 100,
        b"[" * 100_000,
    ],
)
def test_a_record_that_cannot_be_read_is_listed_as_such_and_hides_no_other(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, finished())
    (tmp_path / "decision_2024-02-29_vs_2024-03-31.json").write_bytes(content)
    found = page(tmp_path)
    assert "Unreadable records" in found.text
    assert "decision_2024-02-29_vs_2024-03-31.json: " in found.text
    assert "February 2024 against January 2024" in found.text


@pytest.mark.parametrize(
    "changes", [{"drift_share": 1.5}, {"drift_share": None}, {"verdict": 7}, {"inputs": {}}, {"held_back": None}]
)
def test_a_record_with_a_wrong_value_is_unreadable_and_never_a_default(tmp_path: Path, changes: dict[str, Any]) -> None:
    put(tmp_path, finished(), **changes)
    found = page(tmp_path)
    assert "Unreadable records" in found.text
    assert next(iter(changes)) in found.text
    assert "NO_ACTION" not in found.html


def test_a_folder_or_a_dead_link_in_place_of_a_record_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "decision_folder.json").mkdir()
    (tmp_path / "decision_dead.json").symlink_to(tmp_path / "gone")
    put(tmp_path, finished())
    assert page(tmp_path).text.count("February 2024 against January 2024") == 1


def test_a_file_name_that_is_no_text_does_not_break_the_page(tmp_path: Path) -> None:
    put(tmp_path, finished())
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/decision_\xff.json"))).write_text("{}")
    assert "Unreadable records" in page(tmp_path).text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    attack = "</td><script>alert('1')</script>\"'><img src=x onerror=alert(1)>&amp;"
    content = json.loads(record_text(finished(column(attack, 0.5), lost(attack))))
    parts = {"monitor": attack, "reasons": [attack], "held_back": attack}
    put(tmp_path, finished(column(attack, 0.5)), **parts)
    broken = MEASURED | {"state": "pending", "reason": attack, "champion": attack}
    target = content["target"] | {"abs_diff": None, "reason": attack}
    put(tmp_path, finished(months=(FEBRUARY, MARCH)), **parts, target=target, performance=broken)
    change = {"ref": 0.8, "cur": 0.5, "low": -0.4, "high": -0.2, "difference": -0.3}
    relations = [{"name": attack, "ref": 0.8, "cur": 0.5, "lost": 0.3}]
    dropped = broken | {"state": "measured", "measures": {"auc": change}, "relations": relations}
    inputs = content["inputs"] | {"as_of_cur": "2024-04-30", "feature_service": attack, "entity_table": attack}
    inputs["label"] |= {"column": attack}
    excluded, versions = [{"name": attack, "reason": attack}], {attack: attack}
    put(tmp_path, finished(months=(JANUARY, APRIL)), **parts, performance=dropped, inputs=inputs, excluded=excluded,
        columns=content["columns"], versions=versions)  # fmt: skip
    found = every_page(tmp_path)
    assert len(found) == 5
    for name, each in found.items():
        assert not {"script", "img"} & set(each.tags), name
        assert attack in each.text, name
        assert "onerror" not in re.sub(r"&lt;img.*?&gt;", "", each.html.replace("<wbr>", "")), name


def test_nothing_is_fetched_and_nothing_may_run(tmp_path: Path) -> None:
    put(tmp_path, finished())
    for name, found in every_page(tmp_path).items():
        assert "default-src 'none'" in found.html, name
        for word in ("://", "@import", "url(", "<script"):
            assert word not in found.html, (name, word)


def test_the_same_records_make_the_same_page(tmp_path: Path) -> None:
    put(tmp_path, finished(column("f00", 0.5), lost("f01")))
    first = write_index(tmp_path).read_bytes()
    assert write_index(tmp_path).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_deleted_report_is_gone_from_the_page(tmp_path: Path) -> None:
    for path in (put(tmp_path, finished(months=(FEBRUARY, MARCH))), put(tmp_path, finished())):
        last = path
    assert "1 pair" not in page(tmp_path).text
    last.unlink()
    assert "1 pair of months judged" in page(tmp_path).text


def test_a_folder_that_cannot_be_written_is_an_error_and_leaves_the_old_page(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"index\.html"):
        write_index(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "in the way"


# Each process writes a record of its own and then the page, as runs at the same time do.
WRITER = """
import sys
from pathlib import Path
from driftgate.reports.index import write_index

folder, number = Path(sys.argv[1]), int(sys.argv[2])
template = (folder / "template").read_text()
sys.stdin.readline()
for day in range(1, 11):
    text = template.replace("2024-02-29", f"{2030 + number}-01-{day:02d}")
    (folder / f"decision_{number}_{day}.json").write_text(text)
    write_index(folder)
"""


def test_runs_at_the_same_time_lose_none(tmp_path: Path) -> None:
    (tmp_path / "template").write_text(put(tmp_path / "other", finished()).read_text())
    command = [sys.executable, "-c", WRITER, tmp_path]
    processes = [subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, text=True) for number in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.close()
    assert [process.wait() for process in processes] == [0, 0, 0]
    text = (tmp_path / INDEX).read_text()
    months = [month_name(date(2030 + n, 1, day)) for n in range(3) for day in range(1, 11)]
    assert [month for month in months if f">{month}<" not in text] == []


def test_a_record_that_comes_while_the_page_is_written_is_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one moment in which a page could be lost: after the records are read, before the page takes its place."""
    import driftgate.reports.index as module

    put(tmp_path, finished())
    write, late = module.write_atomic, []

    def slow(path: Path, text: str) -> None:
        if not late:
            late.append(put(tmp_path, finished(months=(FEBRUARY, MARCH))))
        write(path, text)

    monkeypatch.setattr(module, "write_atomic", slow)
    assert "March 2024" in page(tmp_path).text


def test_the_page_of_a_monitor_leads_to_its_backtest_where_there_is_one(tmp_path: Path) -> None:
    put(tmp_path, finished())
    put(tmp_path / "orders", finished(name="orders"))
    (tmp_path / "orders" / "backtest.html").write_text("replayed")
    pages = every_page(tmp_path)
    assert "backtest.html" in pages["orders/monitor.html"].links
    assert "backtest.html" not in pages["monitor.html"].links
