"""Set the database of the stack up: roles, passwords, MLflow's tables. Runs at each start, before what needs them.

It speaks to PostgreSQL as the superuser through the server's socket, in a volume that only these two containers share,
so no password opens the superuser's door. Each role's password is random and made once; it lies in a volume that only
the containers of that role see. `docker compose run --rm roles-init --renew` makes new ones.
"""

import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from driftgate.database import ConnectionParameters, connect, database_errors
from driftgate.errors import DatabaseError, DatabaseUnavailableError, DriftgateError, OutputError
from driftgate.files import write_atomic
from driftgate.settings import DatabaseSettings
from services.database.roles import (
    API,
    FLOWS,
    MLFLOW,
    PREFECT,
    READER,
    close_other_databases,
    role_engine,
    set_up_roles,
)

FOLDERS = {FLOWS: "prefect", PREFECT: "prefect", API: "api", MLFLOW: "mlflow", READER: "grafana"}
"""The service that uses each role; its volume is mounted at /secrets/SERVICE."""

_SECRETS = Path("/secrets")
_MODELS = Path("/mlartifacts")
_SECONDS = 120.0


def main() -> None:
    """Read the environment and set up; the exit status is that of the error's family."""
    settings = DatabaseSettings()
    admin = ConnectionParameters(settings.host or "", settings.port, settings.user, "", settings.db)
    try:
        wait_for_server(admin, _SECONDS)
        passwords = kept_passwords(_SECRETS, renew="--renew" in sys.argv[1:])
        set_up_roles(admin, passwords)
        close_other_databases(admin)
        make_mlflow_tables(admin, passwords[FLOWS], _MODELS)
        take_password(admin)
    except DriftgateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print("[Database] each service has its role")


def wait_for_server(admin: ConnectionParameters, seconds: float) -> None:
    """Wait until the server takes connections: when Docker restarts, it does not start containers in their order.

    Raises:
        DatabaseError: the superuser has another name, or the server does not come up.
    """
    engine, deadline = connect(admin), time.monotonic() + seconds
    while True:
        try:
            with database_errors("connecting", admin), engine.connect():
                break
        except DatabaseUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        except DatabaseError as error:
            raise DatabaseError(
                error.received,
                remedy="a volume keeps the names of its first start: set POSTGRES_USER and POSTGRES_DB to those, or "
                "drop all that is loaded with `docker compose down -v`",
            ) from error
    engine.dispose()


def kept_passwords(folder: Path, *, renew: bool = False) -> Mapping[str, str]:
    """The password of each role from its file; where the file is absent or empty, a new one.

    Args:
        folder: has a folder for each service.
        renew: make new ones for all.

    Raises:
        OutputError: a file cannot be read or written.
    """
    return {role: _kept(folder / service / role, renew) for role, service in FOLDERS.items()}


def _kept(file: Path, renew: bool) -> str:
    try:
        if not renew and file.is_file() and (password := file.read_text(encoding="utf-8").strip()):
            return password
    except OSError as error:
        raise OutputError(f"the password file {file} cannot be read: {error}") from error
    made = secrets.token_hex(32)
    # Readable for everyone, because the users of the containers differ; only they, and root, reach the volume.
    write_atomic(file, made)
    return made


def make_mlflow_tables(admin: ConnectionParameters, password: str, artifacts: Path) -> None:
    """Make MLflow's tables where they are missing, as the role of the flows: MLflow's own server may only read.

    Raises:
        DatabaseError: the database refuses.
    """
    looking = database_errors("looking for MLflow's tables", admin)
    with role_engine(admin, FLOWS) as engine, looking, engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT to_regclass('mlflow.registered_model_aliases')").scalar_one()
    if found is None:
        # Imported here, because it takes seconds.
        from driftgate.training.registry.mlflow_adapter import MlflowStore

        flows = ConnectionParameters(admin.host, admin.port, FLOWS, password, admin.dbname)
        _ = MlflowStore(flows, artifacts, "").client


def take_password(admin: ConnectionParameters) -> None:
    """Leave the superuser without a password, so that it can log in nowhere but through the socket.

    Raises:
        DatabaseError: the database refuses.
    """
    engine = connect(admin)
    with database_errors("taking the superuser's password", admin), engine.begin() as connection:
        connection.exec_driver_sql("ALTER ROLE CURRENT_USER PASSWORD NULL")
    engine.dispose()


if __name__ == "__main__":
    main()
