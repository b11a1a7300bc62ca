"""The start of the Prefect container as far as it goes without Docker: what stops it, and what it then leaves."""

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from driftgate.errors import DriftgateError, OutputError
from driftgate.supervision.part import Part
from driftgate.supervision.supervisor import Supervisor
from tests.services.daemons import SERVICES, script


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script, which finds those beside it as Python lets a script find them."""
    monkeypatch.syspath_prepend(str(SERVICES / "prefect"))
    module = script(SERVICES / "prefect" / "start.py")
    monkeypatch.setattr(module, "READY_FILE", tmp_path / "ready")
    handler = signal.getsignal(signal.SIGTERM)
    yield module
    signal.signal(signal.SIGTERM, handler)
    for name in ("healthy", "prefect_database"):
        sys.modules.pop(name, None)


def test_reports_that_cannot_be_written_stop_it_and_it_is_no_longer_ready(
    start: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ready").touch()
    (tmp_path / "file").touch()
    monkeypatch.setenv("REPORT_DIR", str(tmp_path / "file" / "reports"))
    with pytest.raises(SystemExit) as ended:
        start.main()
    assert ended.value.code == OutputError.exit_code
    assert "chmod 2777 reports/evidently" in capsys.readouterr().err
    assert not (tmp_path / "ready").exists()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def call(*parts: Part) -> Supervisor:
        made.append(Supervisor(parts, tmp_path, logs=False))
        return made[-1]

    yield call
    for supervisor in made:
        supervisor.stop()


def part(name: str, code: str) -> Part:
    return Part(name, name.title(), "", (sys.executable, "-c", code))


def test_a_part_that_does_not_start_ends_the_container(
    start: ModuleType, supervised: Callable[..., Supervisor], capfd: pytest.CaptureFixture[str]
) -> None:
    broken = replace(part("worker", "print('no disk', flush=True); raise SystemExit(3)"), ready=bool)
    with pytest.raises(DriftgateError, match="Worker does not start: ended with status 3"):
        start.start_all(supervised(part("prefect", "import time; time.sleep(60)"), broken))
    # What the parts say is what the container says.
    assert "no disk" in capfd.readouterr().out


def test_a_first_load_that_fails_ends_the_container_and_one_that_does_not_goes_on(
    start: ModuleType, supervised: Callable[..., Supervisor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = supervised(part("prefect", "import time; time.sleep(60)"))
    start.start_all(supervisor)
    monkeypatch.setattr(start, "__file__", str(tmp_path / "start.py"))
    load = tmp_path / "first_load.py"
    load.write_text("raise SystemExit(1)")
    with pytest.raises(DriftgateError, match="the first load failed with status 1"):
        start.load_first(supervisor)
    load.write_text("")
    start.load_first(supervisor)


@pytest.mark.parametrize(("given", "asked"), [("me:secret", "me:secret"), ("", None)])
def test_the_server_asks_for_the_login_that_its_clients_have(
    start: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, asked: str | None
) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", given)
    parts = {part.name: part for part in start.make_parts(tmp_path, {}, "")}
    assert parts["prefect"].environment.get("PREFECT_SERVER_API_AUTH_STRING") == asked
    assert "PREFECT_SERVER_API_AUTH_STRING" not in parts["worker"].environment


def test_the_password_of_the_server_is_for_the_server_alone(start: ModuleType, tmp_path: Path) -> None:
    parts = {part.name: part for part in start.make_parts(tmp_path, {"SECRET": "yes"}, "flows.example")}
    assert list(parts) == ["prefect", "worker", "lender"]
    assert [name for name, part in parts.items() if "SECRET" in part.environment] == ["prefect"]
    assert parts["prefect"].command[-2:] == ("--hosts", "flows.example")
    assert parts["worker"].needs == ("prefect",)
    assert not parts["lender"].ready()
