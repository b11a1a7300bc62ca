"""The page of addresses and the table of parts."""

from driftgate.supervision.state import PartState, PartStatus, UpStatus
from driftgate.supervision.text import address_lines, change_line, status_lines


def part(name: str, state: PartState = PartState.RUNNING, message: str = "", address: str = "") -> PartStatus:
    return PartStatus(
        name, name.title(), f"about {name}", state, address, message, 7, 2, "now", f"/home/log/{name}.log"
    )


def status(*parts: PartStatus, prefect_api: str = "") -> UpStatus:
    return UpStatus(1, 0.0, "today", "embedded", prefect_api, False, parts)


def test_every_part_has_a_line_with_its_address_or_its_trouble() -> None:
    lines = address_lines(
        status(
            part("pages", address="http://127.0.0.1:8002/"),
            part("api", PartState.WAITING, "there is no champion"),
            part("mlflow", PartState.RESTARTING, "ended with status 3"),
        )
    )
    assert lines[2].split(maxsplit=2) == ["Pages", "http://127.0.0.1:8002/", "about pages"]
    assert lines[3].split(maxsplit=2)[1:] == ["-", "waiting: there is no champion"]
    assert lines[4].endswith("restarting: ended with status 3; see /home/log/mlflow.log")
    assert lines[5].split() == ["PostgreSQL", "-", "embedded"]
    assert "Other commands" not in lines[-1]
    assert "Other commands use its Prefect server." in address_lines(status(prefect_api="http://127.0.0.1:1/api"))[-1]


def test_the_table_says_how_each_part_is() -> None:
    head, titles, row = status_lines(status(part("pages", message="ended with status -9")))
    assert head == "up since today, process 1; PostgreSQL: embedded; logs: /home/log"
    assert titles.split()[:5] == ["part", "state", "since", "restarts", "pid"]
    assert row.split(maxsplit=6) == ["pages", "running", "now", "2", "7", "-", "ended with status -9"]
    assert status_lines(None) == ["Nothing runs here. `driftgate up` starts it."]


def test_a_change_is_one_line() -> None:
    assert change_line(part("pages")) == "[Up] Pages: running"
    assert change_line(part("api", PartState.WAITING, "no champion")) == "[Up] Api: waiting, no champion"
