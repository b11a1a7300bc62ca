"""The lender of `driftgate up`, and how a command begins in a fork of it, with all that it needs imported already."""

import os
import signal
from collections.abc import Sequence

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
    "driftgate.drift.evidently_adapter",
    "driftgate.features.answers",
    # What the parts of `driftgate up` serve with.
    "evidently.ui.service.app",
    "fastapi",
    "prefect.cli",
    "uvicorn",
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
        lender = Lender(path, MODULES)
    except DriftgateError as error:
        abort(error)
    except OSError as error:
        abort(OutputError(f"nothing can listen at {path}: {error.strerror}", remedy="set DRIFTGATE_HOME"))
    program = lender.run(lives)
    if program is None:
        lender.close()
        return
    for descriptor in (lives, ends):
        os.close(descriptor)
    program.run()


if __name__ == "__main__":
    main()
