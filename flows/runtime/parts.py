"""The parts of `driftgate up`: what each is, when it starts, and how one knows that it is there.

Flows do not import services, so each service is a command here.
"""

import json
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from driftgate.database import ConnectionParameters
from driftgate.errors import ConfigurationError, UsageError, bounded
from driftgate.monitors import Monitor, read_monitors
from driftgate.settings import PortSettings, Settings
from driftgate.supervision.part import HOST, Part, Port, answers, is_up
from driftgate.supervision.running import python
from driftgate.training.registry.mlflow_tables import MlflowTables
from driftgate.warm.client import lender_socket, lends
from flows.runtime import lending, prefect_server
from flows.runtime.local_server import login_place, prefect_variables

WORK_POOL = "driftgate"
NAMES = ("pages", "prefect", "worker", "api", "evidently", "mlflow", lending.PART)
"""In the order in which people read them."""

_HEARD_SECONDS = 5.0


def choose_parts(names: Iterable[str] = NAMES) -> tuple[str, ...]:
    """The named parts and those that they need, in their order.

    Raises:
        UsageError: there is no such part.
    """
    wanted = {name.strip() for name in names if name.strip()}
    if not wanted or wanted - set(NAMES):
        raise UsageError(
            f"there is no part {bounded(sorted(wanted - set(NAMES)))}" if wanted else "no part is named",
            allowed=", ".join(NAMES),
            remedy="name some of them, with commas between them, or leave --only out for all",
        )
    if "worker" in wanted and not prefect_of_user():
        wanted.add("prefect")
    return tuple(name for name in NAMES if name in wanted)


def prefect_of_user() -> str:
    """The address of the Prefect server that the environment names; empty where it names none."""
    return os.environ.get("PREFECT_API_URL", "")


def make_parts(settings: Settings, ports: PortSettings, parameters: ConnectionParameters) -> dict[str, Part]:
    """Every part by its name; without Prefect where the environment names a server."""
    # Parts hardly compute in threads, each of which would keep the memory that it has freed.
    sparing = {"MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "1")}
    home, variables = settings.driftgate_home, sparing | settings.variables()
    ui = Port(ports.ui_port, "DRIFTGATE_UI_PORT")
    api_url = prefect_of_user() or f"{ui.address}/api"
    # As commands have them, because they become forks of one of these parts.
    of_prefect = {**variables, **prefect_variables(home, None if prefect_of_user() else api_url)}
    lender = lender_socket(home)
    forks = (
        _worker(api_url, of_prefect),
        _api(Port(ports.api_port, "DRIFTGATE_API_PORT"), settings, parameters, of_prefect),
        _evidently(Port(ports.evidently_port, "DRIFTGATE_EVIDENTLY_PORT"), of_prefect),
        _mlflow(Port(ports.mlflow_port, "DRIFTGATE_MLFLOW_PORT"), of_prefect),
    )
    parts = [
        _pages(Port(ports.pages_port, "DRIFTGATE_PAGES_PORT"), settings),
        _prefect(ui, settings, of_prefect),
        *(replace(part, after=(lending.PART,), lender=lender) for part in forks),
        _lender(lender, of_prefect),
    ]
    return {part.name: part for part in parts if part.name != "prefect" or not prefect_of_user()}


def require_ports(parts: Sequence[Part]) -> None:
    """Check that every port is free, before anything is started.

    Raises:
        ConfigurationError: one is taken, or two parts share one; each is named with its part and its setting.
    """
    taken = [part for part in parts if part.port and not _is_free(part.port.number)]
    listening = [part for part in parts if part.port]
    shared = [
        (one, other)
        for position, one in enumerate(listening)
        for other in listening[position + 1 :]
        if one.port and other.port and one.port.number == other.port.number
    ]
    if taken:
        raise ConfigurationError(
            "; ".join(f"port {p.port.number} of {HOST} is taken, and {p.title} needs it" for p in taken if p.port),
            remedy="end what listens there, or set another port by "
            + ", ".join(p.port.setting for p in taken if p.port),
        )
    if shared:
        one, other = shared[0]
        assert one.port
        assert other.port
        raise ConfigurationError(
            f"{one.title} and {other.title} both have port {one.port.number}",
            allowed="a port of its own for each part",
            remedy=f"set {one.port.setting} or {other.port.setting} to another one",
        )


def why_no_champion(settings: Settings, parameters: ConnectionParameters) -> str:
    """Why the prediction service has nothing to serve; empty where there is a champion.

    Raises:
        ConfigurationError: monitors.toml is not usable.
        DatabaseError: the database refuses or cannot be reached.
    """
    name = os.environ.get("API_MONITOR")
    served = [item for item in read_monitors(settings.driftgate_monitors).values() if item.name == (name or item.name)]
    with_model = [item for item in served if item.model]
    if len(with_model) > 1:
        return f"API_MONITOR does not say which to serve: {', '.join(item.name for item in with_model)}"
    if not with_model:
        return "no monitor has a model" if not name else f"there is no monitor {name!r} with a model"
    return "" if _champion(with_model[0], parameters) else "there is no champion; `driftgate train` makes the first"


def _champion(monitor: Monitor, parameters: ConnectionParameters) -> str | None:
    tables = MlflowTables(parameters, str(monitor.model))
    try:
        return tables.alias("champion")
    finally:
        tables.close()


def _pages(port: Port, settings: Settings) -> Part:
    own = ("--folder", str(settings.report_dir), "--hosts", settings.driftgate_hosts)
    return Part(
        name="pages",
        title="Driftgate",
        about="the overview, verdicts and reports",
        command=python("services.pages.serve", "--port", str(port.number), *own),
        port=port,
        page="/",
        ready=lambda: answers(f"{port.address}/") is not None,
    )


def _prefect(port: Port, settings: Settings, variables: dict[str, str]) -> Part:
    home, hosts = settings.driftgate_home, settings.driftgate_hosts
    address = ("--host", HOST, "--port", str(port.number), "--hosts", hosts)
    return Part(
        name="prefect",
        title="Prefect",
        about=f"runs, schedules and artifacts; log in with what {login_place(home)} holds",
        command=(sys.executable, prefect_server.__file__, *address),
        environment={
            **variables,
            "PREFECT_UI_URL": port.address,
            # A path, so that the UI also works under another port or name, behind a tunnel for example.
            "PREFECT_UI_API_URL": "/api",
            # The server writes the UI's files at its start, by default beside the installed package.
            "PREFECT_UI_STATIC_DIRECTORY": str(home / "prefect" / "ui"),
            # By default any web page open in the browser could call the API.
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": port.address,
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            # Nothing here reports to anyone. The newer UI loads an analytics script; it stays a click away.
            "PREFECT_SERVER_UI_V2_ENABLED": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "DO_NOT_TRACK": "1",
        },
        port=port,
        ready=lambda: answers(f"{port.address}/api/health") is not None,
    )


def _worker(api_url: str, variables: dict[str, str]) -> Part:
    return Part(
        name="worker",
        title="Worker",
        about="runs what is scheduled or asked for",
        first=python("flows.deploy", WORK_POOL),
        command=python("prefect", "worker", "start", "--pool", WORK_POOL, "--name", WORK_POOL),
        environment=variables,
        ready=lambda: _heard_of(api_url, {**os.environ, **variables}.get("PREFECT_API_AUTH_STRING", "")),
        needs=() if prefect_of_user() else ("prefect",),
    )


def _api(port: Port, settings: Settings, parameters: ConnectionParameters, variables: dict[str, str]) -> Part:
    return Part(
        name="api",
        title="Predictions",
        about="the prediction service",
        command=python("services.api", "--host", HOST, "--port", str(port.number)),
        environment=variables,
        port=port,
        page="/docs",
        # Not /health: who is told that it is up asks for a prediction.
        ready=lambda: is_up(f"{port.address}/ready"),
        waits_for=lambda: why_no_champion(settings, parameters),
    )


def _evidently(port: Port, variables: dict[str, str]) -> Part:
    return Part(
        name="evidently",
        title="Evidently",
        about="runs over time",
        command=python("services.evidently.serve", "--host", HOST, "--port", str(port.number)),
        environment=variables,
        port=port,
        ready=lambda: answers(f"{port.address}/api/version") is not None,
    )


def _mlflow(port: Port, variables: dict[str, str]) -> Part:
    return Part(
        name="mlflow",
        title="MLflow",
        about="trainings and versions of the model",
        command=python("services.mlflow.start", "--host", HOST, "--port", str(port.number)),
        environment=variables,
        port=port,
        ready=lambda: answers(f"{port.address}/health") is not None,
    )


def _lender(path: Path, variables: dict[str, str]) -> Part:
    return Part(
        name=lending.PART,
        title="Lender",
        about="lends commands what they need, imported already",
        command=python("flows.runtime.lending"),
        environment=variables,
        ready=lambda: lends(path),
    )


def _heard_of(api_url: str, login: str) -> bool:
    """Whether the worker told the server a moment ago that it is there."""
    answer = answers(
        f"{api_url}/work_pools/{WORK_POOL}/workers/filter",
        body=b"{}",
        login=login,
    )
    try:
        heard = [item["last_heartbeat_time"] for item in json.loads(answer or b"[]")]
        newest = max(datetime.fromisoformat(time) for time in heard)
    except (ValueError, KeyError, TypeError):
        return False
    return datetime.now(UTC) - newest < timedelta(seconds=_HEARD_SECONDS)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True
