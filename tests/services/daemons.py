"""Prometheus and its companions as Debian packages them, each on a free port of this machine."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "services"


def script(path: Path) -> ModuleType:
    """A script of a container, which is in no package, as a module."""
    spec = spec_from_file_location(f"container_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(name: str) -> str:
    """The path of a program; without it the test is skipped, or fails where DRIFTGATE_TEST_SERVICES=required."""
    path = shutil.which(name)
    if path is None:
        message = (
            f"{name} is not installed; Debian: prometheus, prometheus-alertmanager, prometheus-pushgateway, haproxy"
        )
        if os.environ.get("DRIFTGATE_TEST_SERVICES") == "required":
            pytest.fail(message)
        pytest.skip(message)
    return path


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(what: str, true: Callable[[], object], seconds: float = 120) -> None:
    """Ask every fifth of a second; generous, because machines that test are busy."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.2)


def answers(url: str) -> bool:
    """Whether the address answers with success."""
    try:
        with urlopen(url, timeout=5) as response:
            return bool(response.status < 400)
    except (HTTPError, URLError, OSError):
        return False


@contextmanager
def running(command: Sequence[str | Path], log: Path, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """The process while the block runs, from the moment that `ready` answers."""
    with log.open("wb") as out:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_until(f"{command[0]} ready, see {log}", lambda: answers(ready) or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def pushgateway(folder: Path) -> Iterator[str]:
    """The address of a Pushgateway of its own. Debian's keeps what it got in /var/lib unless told otherwise."""
    url = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus-pushgateway"),
        f"--web.listen-address={url}",
        f"--persistence.file={folder / 'pushgateway.data'}",
    ]
    with running(command, folder / "pushgateway.log", f"http://{url}/-/ready"):
        yield f"http://{url}"
