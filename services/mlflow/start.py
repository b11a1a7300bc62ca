"""MLflow's own server, for people to browse runs and versions: `python -m services.mlflow.start [OPTION ...]`.

It reads the same tables and files that training writes, so nothing depends on it. In the compose stack its role may
only read them. Options go to `mlflow server`.
"""

import os
import sys

from driftgate.database.configured import connection_parameters
from driftgate.settings import Settings
from driftgate.training.registry.mlflow_adapter import MlflowStore, store_uri


def main() -> None:
    """Make MLflow's tables where they are missing, then become the server."""
    settings = Settings.load()
    parameters, artifacts = connection_parameters(settings), settings.mlflow_artifacts
    # The server would make its tables as well, but not the schema that they go to.
    _ = MlflowStore(parameters, artifacts, "").client
    # Seven processes of 250 MB, for features of MLflow that nothing here uses.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    # By the environment, because the arguments of a process are there for everybody to read.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = store_uri(parameters)
    os.environ["MLFLOW_DEFAULT_ARTIFACT_ROOT"] = artifacts.as_uri()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", *sys.argv[1:]]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
