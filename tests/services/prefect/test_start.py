"""The start of the Prefect container as far as it goes without Docker: what stops it, and what it then leaves."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from driftgate.errors import DriftgateError, OutputError
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
    for name in ("children", "healthy", "prefect_database"):
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


def test_a_server_that_ends_is_not_waited_for(start: ModuleType) -> None:
    children = start.Children()
    children.start("server", [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(DriftgateError, match="the server ended with status 3"):
        start.wait_for_server(children)
    children.stop(1)
