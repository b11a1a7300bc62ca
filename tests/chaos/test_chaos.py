"""The chaos suite itself: a small part of it, and that it finds what it looks for."""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.__main__ import table
from tests.chaos.contents import Contents, broken_files, plain
from tests.chaos.kills import Case, Outcome, Runs, all_cases
from tests.chaos.operations import OPERATIONS, make_templates
from tests.chaos.place import Place


@pytest.fixture
def place() -> Iterator[Place]:
    # A short path, as the socket of the server is below it.
    base = Path(tempfile.mkdtemp(prefix="dgc"))
    yield Place(base)
    shutil.rmtree(base, ignore_errors=True)


@pytest.mark.slow
def test_a_command_and_its_server_are_killed_and_nothing_is_lost(place: Place, prefect_api: str) -> None:
    make_templates(place, [OPERATIONS["materialize"]], prefect_api)
    runs = Runs(place, prefect_api)
    # Of these numbers two kills follow, which may come after the end of the command, and then are none.
    cases = [Case("materialize", "main", 14), Case("materialize", "postgres", 19)]
    outcomes = [runs.run(case) for case in cases]
    assert [(outcome.case, outcome.lost, outcome.left) for outcome in outcomes] == [
        (str(case), [], []) for case in cases
    ]
    assert [len(outcome.ends) for outcome in outcomes] == [2, 2]
    assert any(outcome.kills for outcome in outcomes)


rows = st.dictionaries(st.text("abc", max_size=3), st.integers(1, 3), min_size=1)


@given(rows, rows, st.data())
def test_a_row_that_is_missing_or_strange_is_found(
    first: dict[str, int], more: dict[str, int], data: st.DataObject
) -> None:
    once, twice = (Contents({"table": Counter(each)}) for each in (first, Counter(first) + Counter(more)))
    for undisturbed in (once, twice):
        assert undisturbed.differences(once, twice, kills=1) == []
    gone = data.draw(st.sampled_from(sorted(first)))
    less = Contents({"table": Counter({row: count for row, count in first.items() if row != gone})})
    assert less.differences(once, twice, kills=1)
    strange = Contents({"table": Counter(first) + Counter(["strange"])})
    assert any("is too much: strange" in line for line in strange.differences(once, twice, kills=1))
    assert any("is too much" in line for line in Contents({"file": Counter("x")}).differences(once, twice, kills=1))


def test_a_row_that_is_there_twice_is_found() -> None:
    once = Contents({"table": Counter("ab")})
    assert Contents({"table": Counter("abb")}).differences(once, once, kills=3) == [
        "table: 3 are there, not [2]",
    ]


def test_ids_and_moments_are_left_out_and_days_are_not() -> None:
    text = "run 0198b3c2-6a0e-7e0c-a0a0-0123456789ab of 2024-01-31 at 2024-02-01T10:00:00.5+00:00, 20240201-100000.csv"
    assert plain(text) == "run <id> of 2024-01-31 at <time>, <second>.csv"


@pytest.mark.parametrize(
    ("name", "whole", "part"),
    [
        ("reports/index.html", "<html></html>\n", "<html>"),
        ("reports/decision.json", '{"a": 1}', '{"a": 1'),
        ("predictions/latest.csv", "a,b\n1,2\n", "a,b\n1,"),
    ],
)
def test_a_file_that_is_not_whole_is_found(place: Place, name: str, whole: str, part: str) -> None:
    path = place.case / name
    path.parent.mkdir(parents=True)
    path.write_text(whole)
    assert broken_files(place) == []
    path.write_text(part)
    assert broken_files(place) == [f"{name} is not whole"]


def test_a_process_that_stays_is_found_and_ended(place: Place) -> None:
    place.clear()
    code = "import time; time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], env=place.environment(), cwd="/") as process:
        (left,) = place.end_all(seconds=0.5)
        assert code in left
        process.wait()
    assert place.end_all(seconds=0.5) == []


def test_a_seed_names_the_same_cases_and_leaves_no_pair_out() -> None:
    roles = {"monitor": ["main", "postgres"], "train": ["main"]}
    first, again = ([next(cases) for _ in range(6)] for cases in (all_cases(roles, 7), all_cases(roles, 7)))
    assert first == again
    assert Counter((case.operation, case.role) for case in first).most_common()[-1][1] == 2
    assert [Case.read(str(case)) for case in first] == first


def test_the_table_counts_each_pair_and_all() -> None:
    outcomes = [
        Outcome("monitor/main/1", kills=2),
        Outcome("monitor/main/2", kills=1, lost=["a row"]),
        Outcome("ingest/postgres/3", kills=3, left=["a file"]),
    ]
    assert list(table(outcomes))[2:] == [
        "| ingest | postgres | 3 | 1 | 0 | 0 | 1 |",
        "| monitor | main | 3 | 2 | 1 | 1 | 0 |",
        "| all | | 6 | 3 | 1 | 1 | 1 |",
    ]
