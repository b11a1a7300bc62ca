"""The whole story on sample months, in three screens: a calm month, a month that drifts, and what follows from it."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from driftgate.errors import DriftgateError
from driftgate.monitors import read_monitor
from driftgate.performance.scoring import require_registry
from driftgate.reports.promotion import comparison_line
from driftgate.reports.text import result_lines
from driftgate.run import Run
from driftgate.snapshots.folders import month_folders
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.text import training_line
from flows.ingest_flow import ingest_month
from flows.monitor import monitor_month
from flows.retrain_flow import train_and_compare
from flows.runtime.environment import Runtime
from flows.runtime.local_server import free_port
from flows.train_flow import train_month
from flows.worked_case import MONITOR, SOURCE_TABLES, TARGET, write_sample_months

_MONTHS = 3
_STARTUP_SECONDS = 180
_SWITCH_SECONDS = 60


def run_demo(runtime: Runtime) -> None:
    """Load sample months, train, serve, judge each pair, retrain, and say what to try next; safe to repeat."""
    out = runtime.settings.driftgate_home / "sample"
    _doing("three sample months are written and loaded")
    write_sample_months(out, months=_MONTHS)
    os.environ["DRIFTGATE_DATA"] = str(out)
    with _service() as service:
        ingest_month()
        january, february, march = [day for _, day in month_folders(out)][:_MONTHS]
        user = _a_user(out)
        _doing(f"a model is trained on {january}")
        first = _start_over(runtime, january)
        _doing(f"{february} is held against {january}")
        _calm_month(service, first, user, _compare(january, february))
        _doing(f"{march} is held against {february}")
        drifted = _compare(february, march)
        _drifted_month(drifted)
        _retraining(service, first, user, february, march)
    program = _program()
    say(
        f"\nOpen {runtime.settings.report_dir / 'index.html'} in a browser: every report, with plots of each feature.\n"
        "Try next:\n"
        f"  {program} show       the last verdict, and what would flip it\n"
        f"  {program} monitor --as-of-ref {january} --as-of-cur {march}\n"
        f"  {program} serve      the prediction service; its page is /docs\n"
        f"  {program} rollback   the earlier model serves again\n"
        f"  {program} --help     the other commands"
    )


def _program() -> str:
    """The command as it was called, from the folder that it was called in."""
    called = Path(sys.argv[0])
    if called.name != "driftgate":
        return "driftgate"
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else "driftgate"


def _calm_month(service: str, version: str, user: str, run: Run) -> None:
    _heading(1, f"{run.drift.as_of_ref}: a model is trained and serves. {run.drift.as_of_cur}: a calm month")
    say(f"POST /predict {user}  ->  {_score(service, user, version)}")
    _verdict(run, f"The features and what they say about {TARGET} are as they were. Nothing to do.")


def _drifted_month(run: Run) -> None:
    _heading(2, f"{run.drift.as_of_cur}: the data have moved, and the model knows less")
    worst = ", ".join(item.name for item in run.drift.worst_first[:3])
    lost = ", ".join(item.name for item in run.performance.relations[:3])
    _verdict(run, f"Furthest moved: {worst}.\nWhat says less about {TARGET} than it did: {lost}.")


def _retraining(service: str, first: str, user: str, february: date, march: date) -> None:
    _doing(f"a challenger is trained on {march}")
    comparison = train_and_compare(march, monitor=MONITOR)
    _heading(3, "A challenger is trained, beats the champion, and takes over")
    say(comparison_line(comparison))
    serving = comparison.challenger if comparison.promote else first
    say(f"POST /predict {user}  ->  {_score(service, user, serving)}")
    _verdict(_compare(february, march), "The same pair again: the new champion knows this month.")


def _start_over(runtime: Runtime, month: date) -> str:
    """The model of the first month serves, whatever an earlier demonstration left; returns its version."""
    trained = train_month(month, monitor=MONITOR)
    registry = _registry(runtime)
    if registry.champion() != trained.registered.version:
        registry.promote(trained.registered.version)
    say(training_line(trained))
    return trained.registered.version


def _registry(runtime: Runtime) -> ModelRegistry:
    monitor = read_monitor(runtime.settings.driftgate_monitors, MONITOR)
    return require_registry(runtime.parameters, runtime.settings.mlflow_artifacts, monitor)


def _compare(reference: date, current: date) -> Run:
    return monitor_month(reference, current, monitor=MONITOR)


def _a_user(out: Path) -> str:
    """A user of the newest month."""
    newest = month_folders(out)[_MONTHS - 1][0]
    return (newest / SOURCE_TABLES.parent.file_name).read_text().splitlines()[1].split(",")[0]


@contextmanager
def _service() -> Iterator[str]:
    """The prediction service as a process of its own; yields its address, which may not answer yet."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "serve", "--port", str(port), "--monitor", MONITOR],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "API_POLL_SECONDS": "1"},
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _score(service: str, user: str, version: str) -> str:
    """The service's answer once that version serves, in short.

    Raises:
        DriftgateError: the service does not answer, or still serves another version after a minute.
    """
    deadline = time.monotonic() + _STARTUP_SECONDS
    switched = None
    answer: dict[str, Any] | str = ""
    while time.monotonic() < deadline:
        answer = _ask(service, user)
        if isinstance(answer, dict):
            if answer["model_version"] == version:
                return f"{TARGET} probability {answer['probability']:.2f} by model version {answer['model_version']}"
            switched = switched or time.monotonic() + _SWITCH_SECONDS
            if time.monotonic() > switched:
                break
        time.sleep(0.2)
    raise DriftgateError(
        f"the prediction service does not score with version {version}: {answer}",
        remedy="start it by hand with `driftgate serve` and see its messages",
    )


def _ask(service: str, user: str) -> dict[str, Any] | str:
    request = urllib.request.Request(
        f"{service}/predict", json.dumps({SOURCE_TABLES.key: user}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace")
    except OSError as error:
        return str(error)


def _doing(text: str) -> None:
    """Say what the next seconds are for; on standard error, so that the story can be piped."""
    sys.stderr.write(f"... {text}\n")
    sys.stderr.flush()


def _heading(number: int, text: str) -> None:
    say(f"\n{'=' * 100}\n {number} of 3   {text}\n{'=' * 100}")


def _verdict(run: Run, meaning: str) -> None:
    for line in result_lines(run):
        say(line)
    say(f"\n{meaning}")


def say(line: str) -> None:
    """Print for the person who started the demo."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
