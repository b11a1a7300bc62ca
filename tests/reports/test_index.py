"""The index of reports: made of the records that are there, whatever is in them and whoever else writes."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.decision import History
from driftgate.errors import OutputError
from driftgate.performance.result import PerformanceState, not_measured
from driftgate.reports.index import INDEX, write_index
from driftgate.reports.index_page import Entry, Unreadable, render
from driftgate.store.record import RunRecord, record_text
from tests.reports.runs import (
    FEBRUARY,
    JANUARY,
    MARCH,
    NO_TARGET,
    PENDING,
    PENDING_TARGET,
    column,
    finished,
    lost,
    measured,
)

# HTML has these without an end.
VOID = {"meta"}


class Page(HTMLParser):
    """What a browser would make of it: text, links, rows, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.links, self.tags, self.open = "", [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def put(folder: Path, run: Any, *, html: bool = True, **changes: Any) -> Path:
    """The files of a run; changes go into its record."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = f"{run.drift.as_of_ref}_vs_{run.drift.as_of_cur}"
    record = folder / f"decision_{pair}.json"
    record.write_text(json.dumps(json.loads(record_text(run)) | changes))
    (folder / f"drift_{pair}.json").write_text("{}")
    if html:
        (folder / f"drift_{pair}.html").write_text("<p>report</p>")
    return record


def page(folder: Path) -> Page:
    return Page(write_index(folder).read_text(encoding="utf-8"))


def test_every_report_is_listed_newest_month_first_with_what_came_of_it(tmp_path: Path) -> None:
    put(tmp_path, finished())
    put(tmp_path, finished(column("f00", 0.5), column("f01"), months=(FEBRUARY, MARCH), target=NO_TARGET))
    found = page(tmp_path)
    assert found.text.index("2024-03-31against 2024-02-29") < found.text.index("2024-02-29against 2024-01-31")
    assert "RETRAINING_TRIGGERED (SIMULATED) for 2024-03-31: 1 of 2 features drift." in found.text
    assert "2 pairs of months judged, the last on 2024-04-01 12:00 UTC" in found.text
    assert "drift_share=0.50 >= 0.30" in found.text
    assert "not computable" in found.text
    assert "0.0239" in found.text
    assert [link for link in found.links if link.endswith(".html")] == [
        "drift_2024-02-29_vs_2024-03-31.html",
        "drift_2024-01-31_vs_2024-02-29.html",
    ]
    assert len(found.links) == 6


def test_links_lead_to_files_that_are_there_also_below(tmp_path: Path) -> None:
    put(tmp_path / "or ders#1" / "ünï", finished(name="orders"))
    put(tmp_path, finished(), html=False)
    links = page(tmp_path).links
    assert len(links) == 5
    for link in links:
        assert Path(tmp_path / decoded(link)).is_file()


def decoded(link: str) -> str:
    from urllib.parse import unquote

    assert not re.search(r"[\s#?<>\"']", link)
    return unquote(link)


def test_monitors_have_sections_of_their_own(tmp_path: Path) -> None:
    put(tmp_path / "orders", finished(name="orders", months=(JANUARY, MARCH)))
    put(tmp_path, finished())
    found = page(tmp_path)
    assert found.tags.count("section") == 2
    assert found.text.index("orders") < found.text.index("churn")


def test_a_drop_of_the_auc_is_shown_with_its_interval_as_a_hint_for_eyes_and_ears(tmp_path: Path) -> None:
    put(tmp_path, finished(performance=measured(0.82, 0.5)))
    found = page(tmp_path)
    hint = "95% interval 0.29 to 0.35, threshold 0.05; champion v1"
    assert f"0.32{hint}0.82 then, 0.50 now" in found.text
    assert "1 of 14 features drift. AUC 0.82 then, 0.50 now." in found.text
    html = (tmp_path / INDEX).read_text()
    assert f"<span class='hint' tabindex='0'><b class='dropped'>0.32</b><span class='tip'>{hint}</span></span>" in html


@pytest.mark.parametrize("performance", [measured(0.82, 0.80), measured(0.82, 0.7, margin=0.2)])
def test_a_drop_below_the_threshold_or_by_chance_is_not_marked(tmp_path: Path, performance: Any) -> None:
    put(tmp_path, finished(performance=performance))
    assert "0.82 then" in page(tmp_path).text
    assert "class='dropped'" not in (tmp_path / INDEX).read_text()


def test_a_rise_is_a_negative_drop_and_none_is_no_negative_zero(tmp_path: Path) -> None:
    put(tmp_path, finished(performance=measured(0.8, 0.84, version=None)))
    put(tmp_path, finished(months=(FEBRUARY, MARCH), performance=measured(0.8, 0.801)))
    text = page(tmp_path).text
    assert "-0.0495% interval -0.07 to -0.01, threshold 0.05; a probe model, as there is no champion" in text
    assert "0.0095% interval" in text
    assert "<span class='hint' tabindex='0'>0.00<" in (tmp_path / INDEX).read_text()


def test_where_labels_are_pending_both_columns_say_so_and_how_many_are_in(tmp_path: Path) -> None:
    put(tmp_path, finished(performance=PENDING, target=PENDING_TARGET))
    text = page(tmp_path).text
    assert "pending2024-04-30: pending, 43% labelled" in text
    assert "pendingpending, 43% labelled" in text
    assert "Performance is pending." in text
    assert "not computable" not in text


@pytest.mark.parametrize(
    ("performance", "shown"),
    [
        (not_measured(PerformanceState.NOT_COMPUTABLE, "not computable: every label of 2024-02-29 is 0"), "is 0"),
        (not_measured(PerformanceState.OFF, ""), "off"),
    ],
)
def test_why_there_is_no_performance_is_said(tmp_path: Path, performance: Any, shown: str) -> None:
    put(tmp_path, finished(performance=performance))
    assert f"{shown}reportJSONrecord" in page(tmp_path).text


def test_what_was_held_back_is_marked_and_why(tmp_path: Path) -> None:
    history = History(champion_trained_on=MARCH)
    put(tmp_path, finished(performance=measured(0.82, 0.5), history=history))
    put(tmp_path, finished(months=(FEBRUARY, MARCH)))
    text = page(tmp_path).text
    assert "NO_ACTION held backheld back: the champion was trained on 2024-03-31 and knows this shift" in text
    html = (tmp_path / INDEX).read_text()
    assert html.count(">held back</span>") == 1
    assert (html.count("<circle class='wait'"), html.count("<circle class='calm'")) == (1, 1)


def test_a_record_from_before_performance_was_measured_is_listed(tmp_path: Path) -> None:
    old = Path(__file__).parents[1] / "store/golden/first_release.json"
    (tmp_path / "decision_2024-01-31_vs_2024-02-29.json").write_bytes(old.read_bytes())
    text = page(tmp_path).text
    assert "NO_ACTION for 2024-02-29" in text
    assert "not recorded" in text
    assert "Unreadable records" not in text
    assert "held back" not in text


UNKNOWN = {"trained_on": None, "users_ref": 0, "users_cur": 0, "relations": []}
MEASURED = {**UNKNOWN, "state": "measured", "reason": "", "champion": "1", "threshold": 0.05, "measures": {}}


@pytest.mark.parametrize(
    "performance",
    [MEASURED, MEASURED | {"state": "guessed"}, MEASURED | {"measures": {"auc": {"ref": 0.8}}}, {"state": "off"}],
)
def test_a_performance_that_is_not_one_is_never_shown_as_none(tmp_path: Path, performance: dict[str, Any]) -> None:
    put(tmp_path, finished(), performance=performance)
    text = page(tmp_path).text
    assert "Unreadable records" in text
    assert "performance" in text


def test_a_trend_is_drawn_from_two_months_on(tmp_path: Path) -> None:
    put(tmp_path, finished())
    assert "svg" not in page(tmp_path).tags
    put(tmp_path, finished(months=(FEBRUARY, MARCH)))
    # Another pair with the same month is the same point.
    put(tmp_path, finished(months=(JANUARY, MARCH)))
    found = page(tmp_path)
    assert found.tags.count("circle") == 2
    assert "Drift share from 2024-02-29 to 2024-03-31" in (tmp_path / INDEX).read_text()


def test_without_a_report_the_page_says_so(tmp_path: Path) -> None:
    assert "No report yet" in page(tmp_path / "new").text


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
    assert "NO_ACTION for 2024-02-29" in found.text


@pytest.mark.parametrize(
    "changes", [{"drift_share": 1.5}, {"drift_share": None}, {"verdict": 7}, {"inputs": {}}, {"held_back": None}]
)
def test_a_record_with_a_wrong_value_is_unreadable_and_never_a_default(tmp_path: Path, changes: dict[str, Any]) -> None:
    put(tmp_path, finished(), **changes)
    found = page(tmp_path)
    assert "Unreadable records" in found.text
    assert next(iter(changes)) in found.text
    assert "NO_ACTION" not in found.text


def test_a_folder_or_a_dead_link_in_place_of_a_record_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "decision_folder.json").mkdir()
    (tmp_path / "decision_dead.json").symlink_to(tmp_path / "gone")
    put(tmp_path, finished())
    assert page(tmp_path).text.count("against 2024-01-31") == 1


def test_a_file_name_that_is_no_text_does_not_break_the_page(tmp_path: Path) -> None:
    put(tmp_path, finished())
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/decision_\xff.json"))).write_text("{}")
    assert "Unreadable records" in page(tmp_path).text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    attack = "</td><script>alert('1')</script>\"'><img src=x onerror=alert(1)>&amp;"
    put(tmp_path, finished(), monitor=attack, verdict=attack, reasons=[attack])
    broken = MEASURED | {"state": "pending", "reason": attack, "champion": attack}
    target = json.loads(record_text(finished()))["target"] | {"abs_diff": None, "reason": attack}
    put(
        tmp_path,
        finished(months=(FEBRUARY, MARCH)),
        target=target,
        held_back=attack,
        performance=broken,
    )
    change = {"ref": 0.8, "cur": 0.5, "low": -0.4, "high": -0.2, "difference": -0.3}
    dropped = broken | {"state": "measured", "measures": {"auc": change}}
    put(tmp_path, finished(months=(JANUARY, MARCH)), performance=dropped)
    html = write_index(tmp_path).read_text(encoding="utf-8")
    found = Page(html)
    assert "script" not in found.tags
    assert "img" not in found.tags
    # The monitor's name, the verdict twice, its reason, two reasons of what is pending, and the champion.
    assert found.text.count(attack) == 7
    assert "onerror" not in re.sub(r"&lt;img.*?&gt;", "", html)


def test_nothing_is_fetched_and_nothing_may_run(tmp_path: Path) -> None:
    put(tmp_path, finished())
    html = write_index(tmp_path).read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    assert "://" not in html
    assert "@import" not in html
    assert "url(" not in html


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
    missing = [
        f"{2030 + n}-01-{day:02d}" for n in range(3) for day in range(1, 11) if f"{2030 + n}-01-{day:02d}" not in text
    ]
    assert missing == []


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
    assert "2024-03-31" in page(tmp_path).text


CONTENT = RunRecord.of(finished()).content
CHANGES = st.fixed_dictionaries({name: st.floats(-1, 1) for name in ("ref", "cur", "low", "high", "difference")})
PERFORMANCES = st.fixed_dictionaries(
    {
        **{name: st.just(value) for name, value in UNKNOWN.items()},
        "state": st.sampled_from(list(PerformanceState)),
        "reason": st.text(max_size=9),
        "champion": st.none() | st.text(max_size=3),
        "threshold": st.floats(0, 1),
        "measures": st.fixed_dictionaries({"auc": CHANGES}),
    }
)
CHANGED = st.fixed_dictionaries(
    {
        "monitor": st.sampled_from(["churn", "<i>"]) | st.text(min_size=1, max_size=8),
        "decided_at": st.datetimes(timezones=st.sampled_from([UTC, None])),
        "verdict": st.sampled_from(["NO_ACTION", "RETRAINING_TRIGGERED", "<b>"]),
        "reasons": st.lists(st.text(max_size=20), max_size=3),
        "drift_share": st.floats(0, 1),
        "threshold": st.floats(0, 1),
        "drifted_features": st.integers(0, 99),
        "declared_features": st.integers(1, 99),
        "target": st.builds(
            lambda change: CONTENT["target"] | change,
            st.fixed_dictionaries(
                {"abs_diff": st.none() | st.floats(0, 1), "reason": st.text(max_size=9), "pending": st.booleans()}
            ),
        ),
        "held_back": st.sampled_from(["", "<u>"]),
        "performance": st.none() | PERFORMANCES,
        "inputs": st.builds(
            lambda ref, cur: CONTENT["inputs"] | {"as_of_ref": ref, "as_of_cur": cur},
            st.dates(date(2020, 1, 1), date(2024, 1, 1)),
            st.dates(date(2024, 1, 2), date(2030, 1, 1)),
        ),
    }
)
RECORDS = CHANGED.map(lambda changes: RunRecord.model_validate(CONTENT | changes))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    records=st.lists(RECORDS, max_size=8),
    broken=st.lists(st.builds(Unreadable, st.text(max_size=9), st.text(max_size=9))),
)
def test_any_records_make_a_well_formed_page_with_a_row_each(
    records: list[RunRecord], broken: list[Unreadable]
) -> None:
    entries = sorted((Entry(record, ()) for record in records), key=lambda entry: entry.order, reverse=True)
    found = Page(render(entries, broken))
    assert found.tags.count("tr") == len(records) + len({record.monitor for record in records})
    assert found.tags.count("li") == len(broken)
    for number in re.findall(r"c[xy]='([^']*)'", render(entries, broken)):
        assert 0 <= float(number) <= 320


def test_times_are_shown_in_utc(tmp_path: Path) -> None:
    put(tmp_path, finished(), decided_at="2024-04-01T23:30:00-05:00")
    assert "2024-04-02 04:30 UTC" in page(tmp_path).text
    assert datetime(2024, 4, 2, 4, 30, tzinfo=UTC).isoformat() in (tmp_path / INDEX).read_text()
