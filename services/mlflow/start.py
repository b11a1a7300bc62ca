"""MLflow's own server, for people to browse runs and versions: `python -m services.mlflow.start [--host] [--port]`.

It reads the same tables that training writes, so nothing depends on it. It shows them and changes none: its sessions
are read-only, and so is its role in the compose stack; and of MLflow's routes it has those alone by which its pages ask
(`services.mlflow.read_only`).
"""

import argparse
import os
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from driftgate.database.configured import connection_parameters
from driftgate.process import end_on_signals, run_program
from driftgate.settings import Settings

_READ_ONLY = " -cdefault_transaction_read_only=on"


def main() -> NoReturn:
    """Make MLflow's tables where they are missing, then serve until told to stop."""
    end_on_signals(keep_logging=True)
    parser = argparse.ArgumentParser(prog="python -m services.mlflow.start", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=5000, help="port to listen on")
    given = parser.parse_args()
    run_program(lambda: _serve(given.host, given.port))


def server_environment(uri: str, artifacts: Path) -> dict[str, str]:
    """Variables by which MLflow's application finds its store, as `mlflow server` hands them to its workers.

    That command is not used: it stays beside its worker, with 200 MB for nothing but to wait.

    Args:
        uri: of the store, with `options` as its first word after the database.
        artifacts: absolute folder of the trained models.
    """
    return {
        "_MLFLOW_SERVER_FILE_STORE": uri.replace("&options=", f"&options={quote(_READ_ONLY.strip() + ' ')}"),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": artifacts.as_uri(),
        # Seven processes of 250 MB, for features of MLflow that nothing here uses.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _serve(host: str, port: int) -> None:
    settings = Settings.load()
    parameters, artifacts = connection_parameters(settings), settings.mlflow_artifacts
    from driftgate.training.registry.mlflow_adapter import MlflowStore, store_uri

    # The server would make its tables as well, but not the schema that they go to.
    _ = MlflowStore(parameters, artifacts, "").client
    os.environ.update(server_environment(store_uri(parameters), artifacts))
    import uvicorn
    from uvicorn.importer import import_from_string

    from services.mlflow.read_only import ReadOnly

    app = ReadOnly(import_from_string("mlflow.server.fastapi_app:app"))
    uvicorn.run(app, host=host, port=port, log_level="warning")


if __name__ == "__main__":
    main()
