"""Who is told of what the flows do, by a real receiver."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from driftgate.errors import ConfigurationError, NoVerdictError, UnknownMonthError, UsageError
from driftgate.monitors import read_monitor
from driftgate.performance.promotion import ModelComparison, unopposed
from driftgate.reports.index import records_of_page
from driftgate.reports.sentences import headline
from driftgate.run import Run
from driftgate.settings import Settings
from driftgate.supervision.state import PartState, PartStatus, UpStatus, process_started, write_status
from tests.receiver import Receiver, receiving
from tests.reports.runs import column, finished
from tests.workplace import Workplace

JAN, FEB, MAR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)


@pytest.fixture(scope="module")
def receiver(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """It is told of the monitor `churn`, by an address in a variable."""
    text = Path(workplace.environment["DRIFTGATE_MONITORS"]).read_text()
    path = tmp_path_factory.mktemp("monitors") / "monitors.toml"
    path.write_text(text.replace("[churn]", '[churn]\nnotify = ["${HOOK}"]\nperformance = "off"', 1))
    with receiving() as found, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTGATE_MONITORS", str(path))
        patch.setenv("HOOK", found.address)
        patch.delenv("DRIFTGATE_PAGES_URL", raising=False)
        yield found


@pytest.fixture(autouse=True)
def fresh(receiver: Receiver) -> None:
    receiver.messages.clear()
    receiver.status = 200


def judge(ref: date, cur: date, **more: bool) -> Run:
    from flows.monitor import monitor_month

    return monitor_month(ref, cur, monitor="churn", **more)


def test_a_trigger_is_told_once_with_the_sentence_and_the_page(receiver: Receiver) -> None:
    run = judge(FEB, MAR)
    assert run.decision.triggered
    (text,) = receiver.texts
    assert text.splitlines()[0] == headline(*records_of_page(run.paths.record))
    assert text.splitlines()[-1] == run.paths.page.as_uri()
    assert receiver.titles == ["churn: March 2024 against February 2024"]
    judge(FEB, MAR)
    assert len(receiver.messages) == 1, "a rerun that decides the same does not repeat it"


def test_a_calm_month_is_not_told(receiver: Receiver) -> None:
    from flows.notification import tell_of_decision

    settings = Settings.load()
    run = finished(column("fee", 0.01))
    watched = run.monitor.model_copy(update={"notify": [SecretStr(receiver.address)]})
    assert not run.decision.triggered and not run.pending
    tell_of_decision(replace(run, monitor=watched), settings)
    assert receiver.messages == []


def test_nobody_is_told_where_a_caller_asks_for_that(receiver: Receiver) -> None:
    assert judge(JAN, MAR, notify=False).decision.triggered
    assert receiver.messages == []


def test_a_run_that_fails_is_told(receiver: Receiver) -> None:
    with pytest.raises(UnknownMonthError):
        judge(JAN, date(2031, 1, 31))
    assert receiver.titles == ["churn: a run failed"]
    assert "2031-01-31" in receiver.texts[0]


def test_a_call_that_is_wrong_is_no_failure(receiver: Receiver) -> None:
    with pytest.raises(UsageError):
        judge(MAR, JAN)
    assert receiver.messages == []


def test_a_message_that_is_not_taken_changes_nothing_but_the_log(
    receiver: Receiver, workplace: Workplace, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 500
    with pytest.raises(UnknownMonthError):
        judge(JAN, date(2032, 1, 31))
    (line,) = [item.getMessage() for item in caplog.records if "nobody was told" in item.getMessage()]
    assert "500" in line
    assert "T0psecret" not in caplog.text


def test_a_variable_that_is_not_set_ends_the_run_before_anything_slow(
    receiver: Receiver, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOOK")
    with pytest.raises(ConfigurationError, match="not set: HOOK"):
        judge(JAN, FEB)
    run = workplace.flow_run("churn: 2024-01-31 vs 2024-02-29")
    assert set(workplace.task_runs(run)) == {"plan", "prepare"}
    assert receiver.messages == []


@pytest.mark.parametrize(
    ("comparison", "titles"),
    [
        (unopposed("1"), ["churn: version 1 was promoted"]),
        (ModelComparison("1", "2", 1400, True, "better"), ["churn: version 2 was promoted"]),
        (ModelComparison("1", "2", 1400, False, "not better"), []),
    ],
)
def test_a_promotion_is_told(receiver: Receiver, comparison: ModelComparison, titles: list[str]) -> None:
    from prefect import flow

    from flows.notification import tell_of_promotion

    @flow(name="promoting", persist_result=False)
    def promoting() -> None:
        tell_of_promotion(read_monitor(Settings.load().driftgate_monitors, "churn"), MAR, comparison)

    promoting()
    assert receiver.titles == titles
    receiver.status = 500
    promoting()


def test_the_link_leads_to_where_the_pages_are(tmp_path: Path) -> None:
    from flows.notification import page_link

    page = tmp_path / "reports" / "a b" / "verdict.html"
    settings = Settings.load().model_copy(
        update={"report_dir": tmp_path / "reports", "driftgate_home": tmp_path, "driftgate_pages_url": None}
    )
    assert page_link(settings, page) == page.as_uri()
    started = process_started(os.getpid())
    pages = PartStatus("pages", "", "", PartState.RUNNING, "http://127.0.0.1:8002/", "", 1, 0, "", "")
    write_status(tmp_path, UpStatus(os.getpid(), started, "", "", "", False, (pages,)))
    assert page_link(settings, page) == "http://127.0.0.1:8002/a%20b/verdict.html"
    elsewhere = settings.model_copy(update={"driftgate_pages_url": "https://drift.example/pages/"})
    assert page_link(elsewhere, page) == "https://drift.example/pages/a%20b/verdict.html"


def test_prefect_is_not_given_an_address(receiver: Receiver, workplace: Workplace) -> None:
    """Also where one stands in the file as it is: parameters of a flow are kept on the server."""
    from driftgate.planning import Request
    from flows.monitor import monitor_planned
    from flows.planning import prepare, resolve_plan
    from flows.runtime.environment import Runtime

    runtime = Runtime.from_environment()
    plan = resolve_plan(runtime, Request(FEB, MAR, None, "churn"))
    watched = plan.monitor.model_copy(update={"notify": [SecretStr(receiver.address)], "threshold": 0.25})
    plan = replace(plan, monitor=watched)
    prepare(runtime, plan)
    monitor_planned(plan)
    run = workplace.flow_run("churn: 2024-02-29 vs 2024-03-31")
    assert "plan" in run["parameters"]
    assert "T0psecret" not in json.dumps(run)


def test_a_failure_of_ours_in_any_block_is_raised_as_it_was(receiver: Receiver) -> None:
    from prefect import flow

    from flows.notification import failures_told

    @flow(name="failing", persist_result=False)
    def failing() -> None:
        with failures_told(Settings.load(), "churn"):
            raise NoVerdictError("a feature is missing")

    with pytest.raises(NoVerdictError, match="a feature is missing"):
        failing()
    assert "a feature is missing" in receiver.texts[0]
