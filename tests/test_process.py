"""A process of ours that is told to end: its status, and what it says."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from driftgate.process import import_beside
from tests.conftest import ROOT

BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])

BEGIN = "from driftgate.process import end_on_signals, leave\nend_on_signals()\nimport time\n"
READY = "print('ready', flush=True)\n"

# What a signal meets, from the harmless to what loses an exception.
PLACES = {
    "asleep": READY + "time.sleep(60)",
    "an exception that is made another": READY
    + "try:\n    time.sleep(60)\nexcept BaseException as error:\n    raise ImportError('made of it') from error",
    "an exception that is kept": READY + "try:\n    time.sleep(60)\nexcept BaseException:\n    pass\nleave(0)",
    "a handler that keeps it": "import signal\nfor number in (2, 15):\n    signal.signal(number, lambda *_: None)\n"
    + READY
    + "time.sleep(2)",
    "an import": "import sys\nsys.path.insert(0, sys.argv[1])\nimport slow",
    "an import that keeps everything": "import sys\nsys.path.insert(0, sys.argv[1])\n"
    "try:\n    import slow\nexcept BaseException:\n    time.sleep(60)",
    "a thread": "import threading\nthreading.Thread(target=time.sleep, args=(1,)).start()\n" + READY + "time.sleep(60)",
    "a failing thread": "import threading\n"
    "def fail():\n    time.sleep(0.6)\n    raise ValueError\n"
    "threading.Thread(target=fail).start()\n" + READY + "time.sleep(60)",
    "the end": "import atexit\natexit.register(time.sleep, 1)\nprint('ready', flush=True)\nleave(0)",
    "a log that cannot be written": "import logging\nclass Broken(logging.Handler):\n"
    "    def emit(self, record):\n        try:\n            1 / 0\n        except ZeroDivisionError:\n"
    "            self.handleError(record)\n"
    "logging.getLogger().addHandler(Broken())\n"
    + READY
    + "try:\n    time.sleep(60)\nfinally:\n    logging.error('cut off')",
}


@BOTH
@pytest.mark.parametrize("place", PLACES)
def test_the_status_is_the_signals_and_nothing_is_said(place: str, number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    code = BEGIN + PLACES[place]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (128 + number, "")


@BOTH
def test_a_wait_for_a_server_that_says_nothing_is_no_reason_to_stay(number: signal.Signals) -> None:
    """libpq waits in C, where Python runs no handler."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        port = frozen.getsockname()[1]
        code = f"{BEGIN}import psycopg2\n{READY}psycopg2.connect('host=127.0.0.1 port={port} sslmode=disable user=u')"
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            with frozen.accept()[0]:
                process.send_signal(number)
                _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + number, "")


def test_a_command_ends_also_where_a_thread_of_its_own_does_not(tmp_path: Path) -> None:
    code = BEGIN.replace("()", "(most_seconds=1)", 1) + "import threading\n"
    code += f"threading.Thread(target=time.sleep, args=(600,)).start()\n{READY}time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "")


def test_an_end_in_order_may_take_its_time(tmp_path: Path) -> None:
    """A service has no bound, and a main thread that runs handlers is not cut off."""
    code = f"{BEGIN}try:\n    {READY}    time.sleep(60)\nfinally:\n    time.sleep(7)\n    print('in order', flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", code.replace("end_on_signals()", "end_on_signals(keep_logging=True)")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.communicate(timeout=60)[0] == "in order\n"
    assert process.returncode == 143


@pytest.mark.parametrize("status", [0, 4])
def test_without_a_signal_the_status_is_its_own(status: int) -> None:
    done = subprocess.run([sys.executable, "-c", f"{BEGIN}leave({status})"], capture_output=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (status, b"")


def test_a_traceback_without_a_signal_is_shown() -> None:
    done = subprocess.run([sys.executable, "-c", f"{BEGIN}1 / 0"], capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 1 and b"ZeroDivisionError" in done.stderr


def test_a_thread_ends_the_program_with_one_plain_line() -> None:
    code = (
        f"{BEGIN}import threading\nfrom driftgate.errors import OutputError\nfrom driftgate.process import abort\n"
        "threading.Thread(target=abort, args=(OutputError('it is gone', remedy='begin again'),)).start()\n"
        "time.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (7, "OutputError: it is gone\n  Next: begin again\n")


@BOTH
def test_a_signal_on_the_way_to_another_program_waits_for_it(number: signal.Signals) -> None:
    code = (
        "import os, signal\nfrom driftgate import process\n"
        f"execv = os.execv\ndef caught(*arguments):\n    os.kill(os.getpid(), {int(number)})\n    execv(*arguments)\n"
        "os.execv = caught\nprocess.become(['-c', 'from driftgate.process import *; end_on_signals(); leave(0)'])"
    )
    done = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (128 + number, b"")


def catches_sigterm(pid: int) -> bool:
    """Whether the process has set a handler, which Python itself never does for SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@BOTH
@pytest.mark.parametrize("command", [["monitor"], ["ingest", ".", "--as-of", "2024-01-31"], ["serve"], ["months"]])
def test_a_command_that_is_told_to_end_while_it_imports(
    command: list[str], number: signal.Signals, tmp_path: Path
) -> None:
    draw = random.Random(f"{command} {number}")
    environment = {**os.environ, "DRIFTGATE_HOME": str(tmp_path / "home"), "POSTGRES_HOST": str(tmp_path)}
    for after in (draw.uniform(0.2, 1), draw.uniform(0.5, 3)):
        line = [sys.executable, "-m", "flows.cli", *command]
        with subprocess.Popen(line, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(after)
            # Python itself needs some time, in which nothing of ours runs.
            while process.poll() is None and not catches_sigterm(process.pid):
                time.sleep(0.01)
            if process.poll() is not None:
                continue
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        assert process.returncode in (128 + number, -number, 6), (after, errors)
        assert process.returncode != 6 or "DatabaseUnavailableError" in errors
        assert "Traceback" not in errors and "Exception ignored" not in errors


def test_an_import_beside_ends_as_the_statement_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_beside.py").write_text("value = 1")
    (tmp_path / "broken_beside.py").write_text("raise ValueError('planted')")
    monkeypatch.syspath_prepend(str(tmp_path))
    import_beside("imported_beside")()
    assert sys.modules["imported_beside"].value == 1
    with pytest.raises(ValueError, match="planted"):
        import_beside("broken_beside")()


AT_ONCE = (
    "from driftgate.errors import ConfigurationError\n"
    "from driftgate.process import end_on_signals, import_beside, run_program\n"
    "end_on_signals()\nimport sys\nsys.path.insert(0, sys.argv[1])\n"
    "def work():\n    import_beside('slow')\n    raise {error}\n"
    "run_program(work)\n"
)


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [("ConfigurationError('wrong')", 3, "ConfigurationError: wrong\n"), ("KeyError('a')", 1, "KeyError: 'a'\n")],
)
def test_an_error_ends_the_program_once_imports_beside_it_have_ended(
    error: str, status: int, says: str, tmp_path: Path
) -> None:
    """A thread that is cut off within native code would end the process with status 134, now and then."""
    ended = tmp_path / "ended"
    (tmp_path / "slow.py").write_text(f"import time\ntime.sleep(1)\nopen({str(ended)!r}, 'w').close()\n")
    code = AT_ONCE.format(error=error)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == status and done.stderr.endswith(says)
    assert ended.exists()


@BOTH
def test_a_signal_ends_the_wait_for_imports(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    code = AT_ONCE.format(error="ConfigurationError('wrong')")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stderr is not None and process.stderr.readline() == "ConfigurationError: wrong\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (128 + number, "")


RUN = "import sys\nfrom driftgate.process import end_on_signals, run_program\nend_on_signals()\n"
# Little, more than a buffer holds, and by Typer, which ends with status 1 where the reader has gone.
WRITERS = {
    "print": "print('a line')",
    "much": "[print('a line' * 1000) for _ in range(100)]",
    "flush": "print('a line', flush=True)",
    "typer": "import typer\napp = typer.Typer(pretty_exceptions_enable=False)\n"
    "@app.command()\ndef say():\n    typer.echo('a line')\napp()",
}


BUFFERED = pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])


@BUFFERED
@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_behind_standard_output_is_one_plain_line(writer: str, buffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
    code = f"{RUN}def work():\n    exec({WRITERS[writer]!r}, {{}})\nrun_program(work)"
    with Path("/dev/full").open("w") as full:
        line = [sys.executable, "-c", code]
        done = subprocess.run(
            line, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment, check=False
        )
    assert done.returncode == 7
    first, second = done.stderr.splitlines()
    assert first == "OutputError: standard output cannot be written: No space left on device"
    assert second.startswith("  Next: ")


@BUFFERED
@pytest.mark.parametrize("writer", WRITERS)
def test_a_reader_that_has_gone_ends_a_program_quietly(writer: str, buffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
    code = f"{RUN}def work():\n    exec({WRITERS[writer]!r}, {{}})\nrun_program(work)"
    reading, writing = os.pipe()
    os.close(reading)
    line = [sys.executable, "-c", code]
    done = subprocess.run(
        line, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    ("work", "status"),
    [("raise OutputError('gone')", 7), ("raise DataError('absent')", 4), ("raise SystemExit(3)", 3)],
)
def test_an_error_of_the_work_comes_before_that_of_its_output(work: str, status: int) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    code = f"{RUN}from driftgate.errors import *\ndef work():\n    print('a line')\n    {work}\nrun_program(work)"
    with Path("/dev/full").open("w") as full:
        line = [sys.executable, "-c", code]
        done = subprocess.run(
            line, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment, check=False
        )
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_an_error_of_the_system_that_is_not_of_the_output_is_a_fault_of_ours() -> None:
    code = f"{RUN}def work():\n    print('a line')\n    open('/nonexistent/file')\nrun_program(work)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (1, "a line\n")
    assert "FileNotFoundError" in done.stderr
