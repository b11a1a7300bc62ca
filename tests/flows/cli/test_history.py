"""backfill, runs, show, retrain and rollback as a user meets them."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from driftgate.database import ConnectionParameters, create_tables
from driftgate.errors import ConfigurationError, DataError, UnknownMonthError, UsageError
from driftgate.store.tables import save_run
from flows import cli
from tests.conftest import ROOT, user_environment
from tests.reports.runs import FEBRUARY, JANUARY, MARCH, finished
from tests.workplace import Workplace

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> Answer:
    """A command in this process."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    return Answer(int(ended.value.code or 0), *capfd.readouterr())


@pytest.fixture(scope="module")
def backfilled(workplace: Workplace) -> list[str]:
    """The lines that the command prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        cli.main(["backfill"])
    assert ended.value.code == 0
    return printed.getvalue().splitlines()


def test_before_anything_was_judged(workplace: Workplace, capfd: pytest.CaptureFixture[str]) -> None:
    none = call(capfd, "runs")
    assert none.status == 0 and none.out.splitlines() == [none.out.strip()] and none.out.startswith("reference")
    shown = call(capfd, "show")
    assert (shown.status, shown.out) == (UnknownMonthError.exit_code, "")
    assert "Allowed: none yet" in shown.err and "driftgate backfill" in shown.err


def test_backfill_prints_a_line_for_each_pair_and_logs_elsewhere(
    backfilled: list[str],
) -> None:
    first, second = backfilled
    assert first.startswith("[Backfill] 2024-01-31 vs 2024-02-29 -> NO_ACTION drift_share=0.07 < 0.30; auc_drop=")
    assert second.startswith("[Backfill] 2024-02-29 vs 2024-03-31 -> RETRAINING_TRIGGERED (SIMULATED) drift_share=")


@pytest.mark.usefixtures("backfilled")
def test_runs_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    answer = call(capfd, "runs")
    assert (answer.status, answer.err) == (0, "")
    head, first, second = answer.out.splitlines()
    assert head.split()[:5] == ["reference", "current", "drift_share", "target_drift", "auc_drop"]
    assert re.fullmatch(
        r"2024-01-31 +2024-02-29 +0\.0714 +\d\.\d{4} +-?\d\.\d{4} +NO_ACTION +\d{4}-\d\d-\d\d \d\d:\d\d", first
    )
    assert "RETRAINING_TRIGGERED (SIMULATED)" in second
    newest = call(capfd, "runs", "--last", "1")
    assert newest.out.splitlines()[1:] == [second]


@pytest.mark.usefixtures("backfilled")
def test_programs_get_one_document(capfd: pytest.CaptureFixture[str], workplace: Workplace) -> None:
    runs = json.loads(call(capfd, "runs", "--json").out)
    assert runs["monitor"] == "churn"
    assert [run["inputs"]["as_of_cur"] for run in runs["runs"]] == ["2024-02-29", "2024-03-31"]
    assert not any("columns" in run for run in runs["runs"])
    assert len(json.loads(call(capfd, "runs", "--last", "1", "--json").out)["runs"]) == 1
    shown = json.loads(call(capfd, "show", "--json").out)
    record = workplace.reports / "decision_2024-02-29_vs_2024-03-31.json"
    assert shown == json.loads(record.read_text())
    months = json.loads(call(capfd, "months", "--json").out)
    assert months == {"monitor": "churn", "months": ["2024-01-31", "2024-02-29", "2024-03-31"]}
    assert call(capfd, "months").out.split() == months["months"]


@pytest.mark.usefixtures("backfilled")
def test_policies_are_replayed_over_the_loaded_months(
    capfd: pytest.CaptureFixture[str], workplace: Workplace, tmp_path: Path
) -> None:
    answer = call(capfd, "backtest")
    assert answer.status == 0, answer.err
    head, *rows, page = answer.out.splitlines()
    assert head.startswith("[Backtest] churn months=3 from=2024-01-31 to=2024-03-31 measure=auc retraining_cost=0.050 ")
    assert len(rows) == 7 and page == f"page: {workplace.reports / 'backtest.html'}"
    assert Path(page.removeprefix("page: ")).is_file()
    document = json.loads(call(capfd, "backtest", "--out", str(tmp_path), "--json").out)
    assert document == json.loads((tmp_path / "backtest.json").read_text())
    assert document == json.loads((workplace.reports / "backtest.json").read_text()), "the same again"
    always = next(item for item in document["policies"] if item["policy"] == "every month")
    assert always["retrained"] == ["2024-02-29"]
    few = call(capfd, "backtest", "--to", "2024-02-29")
    assert (few.status, few.out) == (UnknownMonthError.exit_code, "")
    assert "2 months are loaded in that time: 2024-01-31, 2024-02-29" in few.err


@pytest.mark.usefixtures("backfilled")
def test_a_backtest_into_a_file_says_how_far_it_is_and_how_to_go_on(
    capfd: pytest.CaptureFixture[str], workplace: Workplace, tmp_path: Path
) -> None:
    """It is ended once it has scored the first month; the same command reads what it kept and comes to its end."""
    log, home = tmp_path / "progress.log", Path(workplace.environment["DRIFTGATE_HOME"])
    command = [sys.executable, "-m", "flows.cli", "backtest", "--out", str(tmp_path)]
    shutil.rmtree(home / "backtest", ignore_errors=True)
    with log.open("wb") as opened:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL, stderr=opened)
        while "scoring 2 of 2: 2024-03-31" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM
    said = [line.rpartition(" - ")[2] for line in log.read_text().splitlines()]
    months = ("2024-01-31", "2024-02-29", "2024-03-31")
    assert said[:4] == [
        "looking at the loaded months of churn",
        *(f"reading {position} of 3: {month}" for position, month in enumerate(months, 1)),
    ]
    assert said[4:6] == ["scoring 1 of 2: 2024-02-29", "scoring 2 of 2: 2024-03-31"]
    assert said[-1].startswith("The backtest was interrupted. ")
    assert f"is kept in {home / 'backtest'}: the same command goes on where it ended." in said[-1]
    kept = {path: path.stat().st_mtime_ns for path in (home / "backtest" / "churn").glob("scores_*.json")}
    assert kept and call(capfd, "backtest", "--out", str(tmp_path)).status == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what was there is read"


@pytest.mark.usefixtures("backfilled")
def test_one_run_is_shown_with_what_would_flip_it(capfd: pytest.CaptureFixture[str]) -> None:
    calm = call(capfd, "show", "2024-02-29")
    assert (calm.status, calm.err) == (0, "")
    lines = calm.out.splitlines()
    assert lines[0].startswith("churn: 2024-02-29 against 2024-01-31, decided at ")
    assert lines[1] == "NO_ACTION" and "  drift_share=0.07 < 0.30" in lines
    (flip,) = [line for line in lines if "there would be a signal" in line]
    assert flip.startswith("with threshold of at most 0.0714 (now 0.3)")
    newest = call(capfd, "show").out.splitlines()
    assert newest[0].startswith("churn: 2024-03-31 against 2024-02-29")
    (flip,) = [line for line in newest if line.startswith("it would be NO_ACTION with ")]
    assert re.search(r"performance_drop above 0\.\d{4} \(now 0\.05\)", flip) and " and " in flip
    assert re.search(r"threshold above 0\.\d{4} \(now 0\.3\)", flip)
    assert any(line.startswith("performance of a probe model, trained on 2024-02-29") for line in newest)
    assert newest[-1].startswith("report: ") and Path(newest[-1].removeprefix("report: ")).is_file()
    same = call(capfd, "show", "2024-03-31", "--as-of-ref", "2024-02-29")
    assert same.out.splitlines() == newest


def test_a_month_with_several_references_names_those_that_are_not_shown(
    database: Engine,
    parameters: ConnectionParameters,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, value in user_environment(parameters, tmp_path).items():
        monkeypatch.setenv(name, value)
    create_tables(database)
    for position, months in enumerate([(FEBRUARY, MARCH), (JANUARY, MARCH), (JANUARY, FEBRUARY)]):
        run = finished(months=months)
        save_run(database, replace(run, decided_at=run.decided_at + timedelta(hours=position)))
    shown = call(capfd, "show").out.splitlines()
    assert shown[0].startswith("churn: 2024-03-31 against 2024-01-31")
    command = "driftgate show 2024-03-31 --as-of-ref 2024-02-29"
    assert shown[-1] == f"2024-03-31 was also judged against 2024-02-29: `{command}`"
    other = call(capfd, *command.split()[1:], "--monitor", "churn").out.splitlines()
    assert other[0].startswith("churn: 2024-03-31 against 2024-02-29")
    assert other[-1].endswith("against 2024-01-31: `driftgate show 2024-03-31 --as-of-ref 2024-01-31 --monitor churn`")
    assert "also judged" not in call(capfd, "show", "2024-02-29").out
    assert json.loads(call(capfd, "show", "--json").out)["inputs"]["as_of_ref"] == "2024-01-31"


@pytest.mark.usefixtures("backfilled")
@pytest.mark.parametrize(
    ("arguments", "family", "words"),
    [
        (["show", "2024-01-31"], UnknownMonthError, "2024-02-29 vs 2024-03-31, 2024-01-31 vs 2024-02-29"),
        (["show", "2024-03-31", "--as-of-ref", "2024-01-31"], UnknownMonthError, "has no run for that month"),
        (["show", "yesterday"], UsageError, "YYYY-MM-DD"),
        (["show", "--monitor", "churns"], UsageError, "no monitor 'churns'"),
        (["runs", "--monitor", "churns"], UsageError, "no monitor 'churns'"),
        (["retrain", "--monitor", "churns"], UsageError, "no monitor 'churns'"),
        (["retrain", "--delta", "nan"], UsageError, "delta nan"),
        (["retrain", "--delta", "1.5"], UsageError, "delta 1.5"),
        (["retrain", "--as-of", "soon"], UsageError, "YYYY-MM-DD"),
        (["retrain", "--as-of", "2020-01-31"], UnknownMonthError, "2024-03-31, 2024-02-29, 2024-01-31"),
        (["rollback", "--monitor", "churns"], UsageError, "no monitor 'churns'"),
        (["rollback"], DataError, "has no champion"),
    ],
)
def test_a_wrong_call_has_its_status_and_says_why(
    arguments: list[str], family: type[DataError], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = call(capfd, *arguments)
    assert (answer.status, answer.out) == (family.exit_code, "")
    assert words in answer.err and "Traceback" not in answer.err


def test_a_monitor_without_a_model_has_nothing_to_roll_back(
    workplace: Workplace, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitors = Path(workplace.environment["DRIFTGATE_MONITORS"]).read_text()
    path = tmp_path / "monitors.toml"
    path.write_text(monitors.replace('model = "streamflow_churn"', ""))
    monkeypatch.setenv("DRIFTGATE_MONITORS", str(path))
    answer = call(capfd, "rollback")
    assert (answer.status, answer.out) == (ConfigurationError.exit_code, "")
    assert "names no model" in answer.err


@pytest.mark.usefixtures("workplace")
def test_retraining_and_the_way_back(capfd: pytest.CaptureFixture[str]) -> None:
    first = call(capfd, "retrain", "--as-of", "2024-01-31")
    assert first.status == 0
    assert first.out == "[Contest] champion=none challenger=v1 entities=0 -> PROMOTED there was no champion\n"
    replaced_none = call(capfd, "rollback")
    assert (replaced_none.status, replaced_none.out) == (DataError.exit_code, "")
    assert "replaced no other" in replaced_none.err

    second = call(capfd, "retrain")
    assert second.status == 0
    assert re.fullmatch(
        r"\[Contest\] champion=v1 challenger=v2 entities=\d+ -> PROMOTED auc 0\.\d{4} against 0\.\d{4}, "
        r"difference \+0\.\d{4} \[\+0\.\d{4}, \+0\.\d{4}\], 0\.01 needed; "
        r"WARNING: auc 0\.\d{4}, and the champion had 0\.\d{4} in its own validation\n",
        second.out,
    )
    again = call(capfd, "retrain")
    assert "challenger=v2 entities=0 -> KEPT the champion was trained on the same data" in again.out
    back = call(capfd, "rollback")
    assert (back.status, back.out) == (0, "[Rollback] model=streamflow_churn champion=v1\n")


def test_the_figures_of_the_contest_that_was_won_stay(workplace: Workplace) -> None:
    """The second retraining of the same month was no contest."""
    from sqlalchemy import text

    query = text(
        "SELECT key, value FROM mlflow.latest_metrics WHERE key IN ('contest_promoted', 'contest_users') "
        "ORDER BY value DESC"
    )
    with workplace.engine.connect() as connection:
        values = connection.execute(query).all()
    assert ("contest_promoted", 1.0) in values and ("contest_promoted", 0.0) not in values
    assert values[0].key == "contest_users" and values[0].value > 100


@pytest.mark.usefixtures("workplace")
def test_a_month_before_the_champions_own_is_refused_also_where_it_is_the_newest_with_labels(
    workplace: Workplace, capfd: pytest.CaptureFixture[str]
) -> None:
    from sqlalchemy import text

    from driftgate.training.registry.models import ModelRegistry

    registry = ModelRegistry(workplace.parameters, Path(workplace.environment["MLFLOW_ARTIFACTS"]), "streamflow_churn")
    registry.promote("2")
    with workplace.engine.begin() as connection:
        connection.execute(text("DELETE FROM labels WHERE period_start = '2024-03-31'"))
    answer = call(capfd, "retrain")
    assert (answer.status, answer.out) == (UsageError.exit_code, "")
    assert "trained on 2024-03-31, which is later than 2024-02-29" in answer.err
    assert registry.versions() == ["1", "2"], "and nothing was trained"
    registry.close()
