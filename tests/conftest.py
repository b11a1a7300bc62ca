"""One PostgreSQL for the whole run, and a database of its own for each test that asks for one."""

import atexit
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from sqlalchemy import Engine

from driftgate.database import ConnectionParameters, connect, prepare_database
from driftgate.database.embedded import embedded_parameters
from driftgate.features.applying import ensure_applied
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import read_monitor
from driftgate.profiles.landing import Landing
from driftgate.snapshots import ingest_month
from driftgate.snapshots.folders import month_folders
from driftgate.snapshots.unfinished import find_unfinished, remove_marks
from flows.runtime import environment as runtime_environment
from flows.runtime.local_server import LocalServer
from streamflow.sample import write_sample_months
from streamflow.source_tables import SOURCE_TABLES

if TYPE_CHECKING:
    from tests.workplace import Workplace

ROOT = Path(__file__).resolve().parents[1]
# On a machine that is in use an example may take long, which says nothing about the code.
settings.register_profile("driftgate", deadline=None)
settings.load_profile("driftgate")

FEATURE_REPO = ROOT / "feature_repo"
SEEDS = ROOT.parent / "shared" / "data" / "seeds"


@pytest.fixture(scope="session")
def server() -> ConnectionParameters:
    """The maintenance database of an embedded PostgreSQL."""
    # The path of a Unix socket may have about a hundred characters, which pytest's own folders exceed.
    home = reachable(Path(tempfile.mkdtemp(prefix="dg")))
    # The server stops at exit by a list it keeps in its folder. What was registered first runs last, so it still can.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    found = embedded_parameters(home, "postgres")
    # Nothing in it need outlive the machine; waiting for the disk is half of what a fresh database takes.
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        _admin(found, f"ALTER SYSTEM SET {setting} = off")
    _admin(found, "SELECT pg_reload_conf()")
    return found


def close_feature_worker(parameters: ConnectionParameters) -> None:
    """End the feature process of a database. The one that draws reports goes on: it takes seconds to start again."""
    worker = runtime_environment._workers.pop(parameters, None)
    if worker is not None:
        worker.close()


def reachable(folder: Path) -> Path:
    """The folder, which others may now pass through: for root the server runs as another user."""
    folder.chmod(0o711)
    return folder


@contextmanager
def new_database(server: ConnectionParameters, template: str = "template1") -> Iterator[ConnectionParameters]:
    """A copy of a database, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    _admin(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield replace(server, dbname=name)
    _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


def user_environment(parameters: ConnectionParameters, folder: Path) -> dict[str, str]:
    """The settings of a user of that database who keeps everything else in `folder`."""
    return {
        "POSTGRES_HOST": parameters.host,
        "POSTGRES_PORT": str(parameters.port),
        "POSTGRES_USER": parameters.user,
        "POSTGRES_PASSWORD": parameters.password,
        "POSTGRES_DB": parameters.dbname,
        "REPORT_DIR": str(folder / "reports"),
        "FEAST_REPO": str(FEATURE_REPO),
        "DRIFTGATE_HOME": str(folder / "home"),
        "DRIFTGATE_DATA": str(folder / "data"),
        "EVIDENTLY_WORKSPACE": str(folder / "workspace"),
        "PREDICTION_DIR": str(folder / "predictions"),
        "MLFLOW_ARTIFACTS": str(folder / "mlartifacts"),
        "DRIFTGATE_MONITORS": str(ROOT / "flows" / "monitors.toml"),
    }


@pytest.fixture
def parameters(server: ConnectionParameters) -> Iterator[ConnectionParameters]:
    """A fresh database."""
    with new_database(server) as fresh:
        yield fresh


@pytest.fixture
def database(parameters: ConnectionParameters) -> Iterator[Engine]:
    """An engine on a fresh database."""
    engine = connect(parameters)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three sample months of 2,000 users: the second barely drifts, the third clearly does."""
    out = tmp_path_factory.mktemp("sample")
    write_sample_months(out, months=3, users=2000, seed=1)
    return out


@pytest.fixture(scope="session")
def _loaded_template(server: ConnectionParameters, sample: Path) -> ConnectionParameters:
    """A database with the sample months and the applied Feast repository, to make copies of."""
    template = replace(server, dbname="loaded_template")
    _admin(server, "CREATE DATABASE loaded_template")
    engine = connect(template)
    for folder, day in month_folders(sample):
        ingest_month(engine, SOURCE_TABLES, folder, day)
    # Nothing is served, so that nothing follows the tables.
    remove_marks(engine, find_unfinished(engine))
    ensure_applied(engine, template, FEATURE_REPO)
    engine.dispose()
    return template


@pytest.fixture(scope="session")
def _landed_template(
    server: ConnectionParameters, _loaded_template: ConnectionParameters, tmp_path_factory: pytest.TempPathFactory
) -> ConnectionParameters:
    """The same, with the months of the monitor `churn` measured: no process need import feast to judge them."""
    template = replace(server, dbname="landed_template")
    _admin(server, f"CREATE DATABASE {template.dbname} TEMPLATE {_loaded_template.dbname}")
    churn = read_monitor(ROOT / "flows" / "monitors.toml", "churn")
    engine = connect(template)
    with FeatureWorker(template) as worker:
        landing = Landing(engine, worker, churn, FEATURE_REPO, tmp_path_factory.mktemp("landing"), lambda _: None)
        landing.land(worker.loaded_months(FEATURE_REPO, churn))
    engine.dispose()
    return template


@pytest.fixture
def loaded(server: ConnectionParameters, _loaded_template: ConnectionParameters) -> Iterator[ConnectionParameters]:
    """A copy of a database that holds the three sample months with the Feast repository applied; yours to spoil."""
    with new_database(server, _loaded_template.dbname) as copy:
        engine = connect(copy)
        prepare_database(engine)  # a copy does not carry the settings of its database
        engine.dispose()
        yield copy
        close_feature_worker(copy)


@pytest.fixture
def loaded_engine(loaded: ConnectionParameters) -> Iterator[Engine]:
    """An engine on `loaded`."""
    engine = connect(loaded)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Prefect server with a home of its own, for this process and for those it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        server = LocalServer()
        # After Prefect's own handlers, which still want to send logs; see flows/cli/app.py.
        atexit.register(server.close)
        patch.setenv("PREFECT_API_URL", server.url)
        server.wait()
        yield server.url


@pytest.fixture
def environment(loaded: ConnectionParameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user whose settings point at `loaded`, set in this process too; reports in tmp_path."""
    values = user_environment(loaded, tmp_path)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


def _admin(server: ConnectionParameters, statement: str) -> None:
    engine = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture(scope="module")
def workplace(
    server: ConnectionParameters,
    _landed_template: ConnectionParameters,
    prefect_api: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator["Workplace"]:
    """Three sample months, measured for `churn`, the Feast repository applied; shared by the tests of a module."""
    # That module imports this one.
    from tests.workplace import workplace_on

    with (
        new_database(server, _landed_template.dbname) as parameters,
        workplace_on(parameters, prefect_api, tmp_path_factory.mktemp("workplace")) as place,
    ):
        prepare_database(place.engine)
        yield place
