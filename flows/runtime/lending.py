"""The lender of `driftgate up`, and how a command begins in a fork of it, with all that it needs imported already."""

import os
import signal
from collections.abc import Sequence
from importlib import import_module

from driftgate.errors import DriftgateError, OutputError
from driftgate.process import abort
from driftgate.warm import client

MODULES = (
    "flows.cli.app",
    "flows.backfill_flow",
    "flows.ingest_flow",
    "flows.predict_flow",
    "flows.retrain_flow",
    "flows.skew_flow",
    "driftgate.training.pipeline",
    "driftgate.training.registry.mlflow_adapter",
    "driftgate.features.answers",
    # What the parts of `driftgate up` are and serve with.
    "flows.deploy",
    "prefect.cli.worker",
    "prefect.cli._worker_utils",
    "prefect.workers.process",
    "mlflow.server.fastapi_app",
    "mlflow.store.model_registry.sqlalchemy_store",
    "driftgate.database.cluster",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "uvloop",
    # Last: FastAPI asks each class that it meets whether it is one of pydantic's version 1, and each such class, of
    # which Evidently has a thousand, notes in pages of its own that it is not.
    "driftgate.drift.evidently_adapter",
    "evidently.ui.service.app",
)
"""What forks have. Not Feast, which reads and sets variables when it is imported."""

COMMANDS = frozenset(
    ("backfill", "backtest", "ingest", "load", "monitor", "predict", "profile", "retrain", "skew", "train")
)
"""The commands that begin in a fork: others need little, or become another program."""


PART = "lender"
"""Its name among the parts."""


def run_lent(arguments: Sequence[str]) -> int | None:
    """Run a command in a fork of the lender, and return its exit status.

    Returns:
        None where it is to run in this process: there is no lender, or none for this environment and code, or the
        command is not one of those that need it.
    """
    if client.is_lent() or not COMMANDS.intersection(arguments[:1]):
        return None
    from driftgate.settings import Settings
    from flows.runtime.local_server import prefect_variables, server_of_up

    try:
        home = Settings.load().driftgate_home
        socket = client.lender_socket(home)
        if not socket.exists():
            return None
        api = None if os.environ.get("PREFECT_API_URL") else server_of_up(home)
        variables = {**os.environ, **prefect_variables(home, api)}
    except DriftgateError:
        # The command itself ends in it.
        return None
    return client.run(socket, ("flows.cli", *arguments), variables)


def _finish() -> None:
    """Do once what each fork would do again, in memory that it does not share."""
    from litestar import Litestar, get
    from prefect.client.schemas.worker_channel import WorkerHelloFrame
    from prefect.events import Event
    from pydantic.v1.main import ModelMetaclass
    from sqlalchemy.orm import configure_mappers

    configure_mappers()
    # What Prefect, FastAPI and Litestar put off until it is first used.
    Event.model_rebuild()
    WorkerHelloFrame.model_rebuild()
    for route in import_module("mlflow.server.fastapi_app").app.routes:
        route.matches({"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []})

    @get("/", sync_to_thread=False)
    def nothing() -> None:
        """Answer with nothing."""

    # Its logging would start a thread, and a lender has none.
    Litestar([nothing], logging_config=None)
    # Nobody registers a class with a model of version 1, so inheritance alone says what one is. Python would have every
    # such model note every class that it is asked about: 20 MiB in the Prefect server, 10 in a smaller service.
    ModelMetaclass.__subclasscheck__ = type.__subclasscheck__


def main() -> None:
    """Import, and lend forks until SIGTERM; `python -m flows.runtime.lending`."""
    from driftgate.settings import Settings
    from driftgate.warm.lender import Lender

    lives, ends = os.pipe()
    # Evidently sends events to its makers unless this is set, and reads it at import.
    os.environ["DO_NOT_TRACK"] = "1"
    signal.signal(signal.SIGTERM, lambda *_: os.close(ends))
    try:
        path = client.lender_socket(Settings.load().driftgate_home)
        lender = Lender(path, MODULES, _finish)
    except DriftgateError as error:
        abort(error)
    except OSError as error:
        abort(OutputError(f"nothing can listen at {path}: {error.strerror}", remedy="set DRIFTGATE_HOME"))
    try:
        program = lender.run(lives)
    except ChildProcessError as error:
        abort(DriftgateError(str(error), remedy="`driftgate up` starts another one"))
    if program is None:
        lender.close()
        return
    for descriptor in (lives, ends):
        os.close(descriptor)
    program.run()


if __name__ == "__main__":
    main()
