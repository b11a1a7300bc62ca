"""The command line as a user meets it: exit status, message, and what is on which stream."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from driftgate import errors
from driftgate.database import ConnectionParameters, connect
from driftgate.snapshots import create_source_tables
from flows.cli import app as cli
from flows.runtime import environment
from streamflow.source_tables import SOURCE_TABLES
from tests.conftest import FEATURE_REPO, ROOT, new_database
from tests.database.roles import role_with_password
from tests.workplace import Workplace

DRIFTGATE = [str(Path(sys.executable).with_name("driftgate"))]
SCRIPT = [sys.executable, str(ROOT / "flows" / "monitor_flow.py")]
DATES = ("2024-01-31", "2024-02-29", "2024-03-31")

Result = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Wrong:
    """A call that ends in an error.

    Attributes:
        says: what its message contains.
        where: variables; `{...}` is filled by `places`.
    """

    status: int
    says: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    where: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()


def pair(ref: str, cur: str) -> tuple[str, ...]:
    return ("--as-of-ref", ref, "--as-of-cur", cur)


def below(folder: str) -> dict[str, str]:
    return {"DRIFTGATE_MONITORS": f"{{folder}}/{folder}"}


WRONG = {
    "unknown reference date": Wrong(4, ("2020-01-31", *DATES), pair("2020-01-31", DATES[1])),
    "unknown current date": Wrong(4, ("2030-01-31", *DATES), pair(DATES[0], "2030-01-31")),
    "a current date before all": Wrong(4, ("2020-01-31", *DATES), ("--as-of-cur", "2020-01-31")),
    "nothing older": Wrong(4, ("no older month", *DATES), ("--as-of-cur", DATES[0])),
    "a month that was emptied": Wrong(
        4,
        ("2024-02-29", DATES[0], DATES[2]),
        pair(DATES[0], DATES[1]),
        {"POSTGRES_DB": "{one_month_empty}", **below("tables.toml")},
    ),
    "the same date twice": Wrong(2, ("both 2024-01-31",), pair(DATES[0], DATES[0])),
    "a reversed pair": Wrong(2, ("later than", "as_of_ref=2024-01-31 as_of_cur=2024-02-29"), pair(DATES[1], DATES[0])),
    "the newest as reference": Wrong(2, ("both 2024-03-31",), ("--as-of-ref", DATES[2])),
    "a threshold above 1": Wrong(2, ("threshold 1.5", "from 0 to 1"), ("--threshold", "1.5")),
    "a threshold below 0": Wrong(2, ("threshold -0.1", "from 0 to 1"), ("--threshold=-0.1",)),
    "a threshold that is nan": Wrong(2, ("threshold nan", "from 0 to 1"), ("--threshold", "nan")),
    "an argument of other bytes than text": Wrong(2, ("\\xff", "UTF-8"), ("--monitor", os.fsdecode(b"churn\xff"))),
    "an unknown option": Wrong(2, ("--treshold",), ("--treshold", "0.5")),
    "an unknown monitor": Wrong(2, ("'churns'", "churn"), ("--monitor", "churns")),
    "several monitors and none named": Wrong(2, ("no monitor", "churn, second", "--monitor"), where=below("two.toml")),
    "no database": Wrong(6, ("127.0.0.1", "POSTGRES_HOST"), where={"POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1"}),
    "no database in sight": Wrong(6, ("{folder}", "POSTGRES_HOST"), where={"POSTGRES_HOST": "{folder}"}),
    "an unknown database": Wrong(6, ("no_such_database", "POSTGRES_DB"), where={"POSTGRES_DB": "no_such_database"}),
    "a wrong password": Wrong(
        6,
        ("password authentication failed", "POSTGRES_PASSWORD"),
        where={"POSTGRES_USER": "{role}", "POSTGRES_PASSWORD": "wr0ng-s3cret"},
    ),
    "a port that is none": Wrong(3, ("POSTGRES_PORT", "65535"), where={"POSTGRES_PORT": "70000"}),
    "no tables": Wrong(3, ("subs_profile", "driftgate apply"), where={"POSTGRES_DB": "postgres"}),
    "no month": Wrong(4, ("two months are needed and 0",), where={"POSTGRES_DB": "{no_month}", **below("tables.toml")}),
    "a setting of Prefect that is none": Wrong(
        3, ("LoggingSettings", "level", "'LOUD'", "PREFECT_"), where={"PREFECT_LOGGING_LEVEL": "loud"}
    ),
    "no Feast repository": Wrong(3, ("{folder}", "FEAST_REPO"), where={"FEAST_REPO": "{folder}"}),
    "a Feast repository that was not applied": Wrong(
        3, ("subs_profile", "driftgate apply"), where={"FEAST_REPO": "{not_applied}"}
    ),
    "a report folder below a file": Wrong(7, ("{file}", "REPORT_DIR"), where={"REPORT_DIR": "{file}/reports"}),
    "a report folder that is a file": Wrong(7, ("{file}", "REPORT_DIR"), where={"REPORT_DIR": "{file}"}),
    "no monitors.toml": Wrong(3, ("nowhere.toml", "DRIFTGATE_MONITORS"), where=below("nowhere.toml")),
    "monitors.toml that is no TOML": Wrong(3, ("broken.toml",), where=below("broken.toml")),
    "monitors.toml with an unknown key": Wrong(3, ("treshold", "'churn'"), where=below("unknown_key.toml")),
    "monitors.toml with a wrong table": Wrong(3, ("no_such_table", "monitors.toml"), where=below("wrong_table.toml")),
    "monitors.toml with a wrong key": Wrong(3, ("no_such_key", "monitors.toml"), where=below("wrong_key.toml")),
    "a month of the future": Wrong(
        2,
        ("cannot be of 9999-12-31", "from 1970-01-01 to "),
        ("{folder}/nowhere", "--as-of", "9999-12-31"),
        command=("ingest",),
    ),
    "ingest without a folder": Wrong(
        4, ("{folder}/nowhere",), ("{folder}/nowhere", "--as-of", "2024-01-31"), command=("ingest",)
    ),
    "load of nothing": Wrong(4, ("no month folder", "{folder}"), ("{folder}",), command=("load",)),
    "apply of no repository": Wrong(3, ("{folder}",), where={"FEAST_REPO": "{folder}"}, command=("apply",)),
    "months without a database": Wrong(6, ("{folder}",), where={"POSTGRES_HOST": "{folder}"}, command=("months",)),
}


# Those that run as a process of their own, as a user would start them; the others are the same code with fewer starts.
PROCESSES = (
    "unknown reference date",
    "an unknown option",
    "no database",
    "a setting of Prefect that is none",
)


@pytest.fixture(scope="module")
def places(
    workplace: Workplace, server: ConnectionParameters, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("wrong")
    good = Path(workplace.environment["DRIFTGATE_MONITORS"]).read_text()
    (folder / "broken.toml").write_text("[churn\n")
    (folder / "two.toml").write_text(good + good.replace("[churn", "[second").replace('report_folder = "."\n', ""))
    (folder / "unknown_key.toml").write_text(good.replace("threshold", "treshold"))
    # Tables are read without the registry, which these databases do not have.
    tables = good.replace('source = "subs_profile"', 'table = "subscriptions_profile_snapshots"\ntimestamp = "as_of"')
    (folder / "tables.toml").write_text(tables)
    (folder / "wrong_table.toml").write_text(tables.replace("subscriptions_profile_snapshots", "no_such_table"))
    (folder / "wrong_key.toml").write_text(good.replace("user_id", "no_such_key"))
    (folder / "file").write_text("")
    not_applied = Path(shutil.copytree(FEATURE_REPO, folder / "not_applied"))
    store = not_applied / "feature_store.yaml"
    store.write_text(store.read_text().replace("project: streamflow", "project: another"))
    with (
        new_database(server) as no_month,
        new_database(server) as one_month_empty,
        role_with_password(server, "reader") as reader,
    ):
        for parameters in (no_month, one_month_empty):
            engine = connect(parameters)
            create_source_tables(engine, SOURCE_TABLES)
            if parameters is one_month_empty:
                with engine.begin() as connection:
                    connection.exec_driver_sql(
                        "INSERT INTO subscriptions_profile_snapshots (user_id, as_of) "
                        "VALUES ('a', '2024-01-31'), ('a', '2024-03-31')"
                    )
            engine.dispose()
        yield {
            "folder": str(folder),
            "file": str(folder / "file"),
            "not_applied": str(not_applied),
            "no_month": no_month.dbname,
            "one_month_empty": one_month_empty.dbname,
            "role": reader.user,
        }


def call(command: list[str], where: dict[str, str], folder: Path) -> Result:
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **where}, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def answers(workplace: Workplace, places: dict[str, str]) -> Iterator[dict[str, Future[Result]]]:
    """Every call at once, as far as there are processors."""
    with ThreadPoolExecutor(3) as pool:
        happy = [*pair(DATES[1], DATES[2]), "--threshold", "0.25"]
        found = {
            # As the documentation has it, from the folder of the flows.
            "script": pool.submit(call, [sys.executable, "monitor_flow.py", *happy], {}, ROOT / "flows"),
            "json": pool.submit(
                call, [*DRIFTGATE, "monitor", "--json", *pair(DATES[0], DATES[1])], {}, Path(places["folder"])
            ),
        }
        for name in PROCESSES:
            wrong = WRONG[name]
            start = [*DRIFTGATE, *wrong.command] if wrong.command else SCRIPT
            command = [*start, *filled(wrong.arguments, places)]
            found[name] = pool.submit(call, command, where(wrong, places), Path(places["folder"]))
        yield found


def filled(texts: tuple[str, ...], places: dict[str, str]) -> list[str]:
    return [item.format(**places) for item in texts]


def where(wrong: Wrong, places: dict[str, str]) -> dict[str, str]:
    return {key: value.format(**places) for key, value in wrong.where.items()}


def check(wrong: Wrong, places: dict[str, str], status: int, out: str, err: str) -> None:
    assert status == wrong.status, err
    assert out == ""
    assert "Traceback" not in err
    for part in filled(wrong.says, places):
        assert part in err
    assert "wr0ng-s3cret" not in err


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_says_what_is_wrong_without_a_traceback(
    answers: dict[str, Future[Result]], places: dict[str, str], name: str
) -> None:
    answer = answers[name].result()
    check(WRONG[name], places, answer.returncode, answer.stdout, answer.stderr)


@pytest.mark.parametrize("name", [name for name in WRONG if name not in PROCESSES])
def test_what_is_wrong_is_said_without_a_traceback(
    places: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = WRONG[name]
    for key, value in where(wrong, places).items():
        monkeypatch.setenv(key, value)
    # What takes seconds to import is not needed to find out what is wrong.
    monkeypatch.setattr(
        environment, "start_workers", lambda runtime: environment.feature_worker(runtime.parameters, joins=False)
    )
    with pytest.raises(SystemExit) as ended:
        cli.main([*(wrong.command or ("monitor",)), *filled(wrong.arguments, places)])
    check(wrong, places, int(ended.value.code or 0), *capfd.readouterr())


def test_what_is_wrong_leaves_nothing_behind(answers: dict[str, Future[Result]], workplace: Workplace) -> None:
    for answer in answers.values():
        answer.result()
    assert {path.name for path in workplace.reports.iterdir()} == {
        f"{kind}_{ref}_vs_{cur}.{suffix}"
        for ref, cur in (DATES[:2], DATES[1:])
        for kind, suffix in (("drift", "html"), ("drift", "json"), ("decision", "json"), ("verdict", "html"))
    } | {"index.html", "monitor.html"}


def test_the_script_ends_in_four_lines(answers: dict[str, Future[Result]], workplace: Workplace) -> None:
    answer = answers["script"].result()
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr
    *_, target, performance, gain, decision = answer.stdout.splitlines()
    number, short = r"\d\.\d{4}", r"\d\.\d\d"
    figures = rf"ref_auc={short} cur_auc={short} drop=({short} \[{short}, {short}\])"
    judged = re.fullmatch(rf"\[Performance\] champion=none \(probe\) {figures}", performance)
    assert judged, performance
    assert re.fullmatch(rf"\[Retrain\] gain={short} \[{short}, {short}\]", gain), gain
    assert re.fullmatch(rf"\[Target drift\] ref_rate={number} cur_rate={number} abs_diff={number}", target)
    html = re.escape(str(workplace.reports / "drift_2024-02-29_vs_2024-03-31.html"))
    found = re.fullmatch(
        rf"\[Evidently\] report_html={html} report_json={html.replace('html', 'json')} drift_share=(\d\.\d\d) -> "
        rf"RETRAINING_TRIGGERED \(SIMULATED\) drift_share=\1 >= 0\.25, "
        rf"auc_drop={re.escape(judged[1].replace(' [', ' > 0.05 ['))} \(target_drift={number}\)",
        decision,
    )
    assert found, decision
    assert (workplace.reports / "drift_2024-02-29_vs_2024-03-31.html").is_file()


def test_json_is_one_document_and_nothing_else(answers: dict[str, Future[Result]], workplace: Workplace) -> None:
    answer = answers["json"].result()
    assert answer.returncode == 0, answer.stderr
    record = json.loads(answer.stdout)
    assert record["verdict"] == "NO_ACTION" and record["declared_features"] == 14
    path = workplace.reports / "decision_2024-01-31_vs_2024-02-29.json"
    assert json.loads(path.read_text()) == record


def test_every_status_of_the_error_table_but_two_is_met_here() -> None:
    documented = {int(status) for status in re.findall(r"Error +(\d) ", errors.__doc__ or "")}
    assert {2, 3, 4, 5, 6, 7} <= documented
    # 5 is a matter of data, see the tests of the ledger; 1 is a fault of Driftgate itself.
    assert documented - {wrong.status for wrong in WRONG.values()} <= {1, 5}


def alone(tmp_path: Path, **variables: str) -> dict[str, str]:
    """The environment of a user without a server, whose home is not there yet."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("POSTGRES_", "PREFECT_"))}
    return {**given, "DRIFTGATE_HOME": str(tmp_path / "mistyped"), **variables}


@pytest.mark.parametrize("command", [["monitor"], ["months"], ["train", "--as-of", "2024-01-31"], ["serve"]])
@pytest.mark.parametrize("there", [False, True], ids=["no folder", "a folder of something else"])
def test_a_mistyped_home_is_told_and_nothing_is_made_there(tmp_path: Path, command: list[str], there: bool) -> None:
    home = tmp_path / "mistyped"
    if there:
        home.mkdir()
    done = subprocess.run(
        [*DRIFTGATE, *command], env=alone(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3 and done.stdout == ""
    assert done.stderr.startswith(f"ConfigurationError: there is no database in DRIFTGATE_HOME={home}")
    assert "`driftgate load`" in done.stderr and "Traceback" not in done.stderr
    assert list(home.iterdir()) == [] if there else not home.exists()


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (["apply"], {}),
        (["ingest", "month", "--as-of", "2024-01-31"], {}),
        (["monitor", "--help"], {}),
        (["--version"], {}),
        (["months"], {"DRIFTGATE_HOME": ""}),
        (["months"], {"POSTGRES_HOST": "db"}),
    ],
)
def test_a_home_is_not_asked_for_where_one_begins_or_none_is_named_or_the_database_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], variables: dict[str, str]
) -> None:
    monkeypatch.delenv("POSTGRES_HOST", raising=False)
    for name, value in {"DRIFTGATE_HOME": str(tmp_path / "new"), **variables}.items():
        monkeypatch.setenv(name, value)
    cli._require_home(command)


def test_a_home_with_a_database_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTGRES_HOST", raising=False)
    monkeypatch.setenv("DRIFTGATE_HOME", str(tmp_path))
    with pytest.raises(errors.ConfigurationError, match="there is no database"):
        cli._require_home(["months"])
    (tmp_path / "postgres").mkdir()
    cli._require_home(["months"])


def test_a_folder_whose_name_is_no_text_is_refused_before_anything_begins(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"month\xff")
    folder.mkdir()
    home = tmp_path / "home"
    done = call(
        [*DRIFTGATE, "ingest", str(folder), "--as-of", DATES[0]], alone(tmp_path, DRIFTGATE_HOME=str(home)), tmp_path
    )
    assert done.returncode == 2 and not home.exists()
    assert f"UsageError: the argument {tmp_path}/month\\xff is not UTF-8" in done.stderr


def test_an_interrupt_among_the_first_imports_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time\n"
        "class Slow:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'driftgate':\n"
        "            print('ready', flush=True)\n"
        "            time.sleep(60)\n"
        "sys.meta_path.insert(0, Slow())\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    for command in (DRIFTGATE, [sys.executable, "-m", "flows.cli"]):
        with subprocess.Popen(
            [*command, "status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (-signal.SIGINT, "")
