"""One Feast repository of cases, applied once, and the process that reads from it."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from driftgate.database import ConnectionParameters, connect
from driftgate.features.applying import ensure_applied
from driftgate.features.engines.postgres import PostgresEngine, open_engine
from driftgate.features.entities import MonthSize
from driftgate.features.repository import OfflineStore
from driftgate.features.types import FeatureMonth, FeatureRequest
from driftgate.monitors import EntitySource, Monitor
from flows.runtime.environment import feature_worker
from tests.conftest import close_feature_worker

REF, CUR = date(2024, 1, 31), date(2024, 2, 29)

STORE = """
project: {project}
provider: local
registry:
  registry_type: sql
  path: {registry}
offline_store:
  type: postgres
  entity_select_mode: embed_query
  host: {host}
  port: {port}
  database: {database}
  user: ${{POSTGRES_USER}}
  password: "${{POSTGRES_PASSWORD}}"
  sslmode: ${{POSTGRES_SSLMODE}}
entity_key_serialization_version: 3
"""

CASES = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

thing = Entity(name="thing", join_keys=["thing_id"], value_type=ValueType.STRING)

def view(name, source, life=timedelta(days=27), **features):
    return FeatureView(
        name=name, entities=[thing], ttl=life, source=source, online=False,
        schema=[Field(name=feature, dtype=dtype) for feature, dtype in features.items()],
    )

def table(name, time="as_of"):
    return PostgreSQLSource(name=name, table=name, timestamp_field=time)

kinds_fv = view("kinds_fv", table("kinds"), small=Int32, large=Int64, narrow=Float32, wide=Float64, price=Float64,
                word=String, flag=Bool, moment=UnixTimestamp, list=Array(Int64), blob=Bytes)
readings_fv = view("readings_fv", table("sensor.readings", "taken_at"), timedelta(days=10), celsius=Float64)
column_fv = view("column_fv", table("loses_column"), stays=Int64, goes=Int64)
only_fv = view("only_fv", table("loses_only_column"), sole=Int64)
table_fv = view("table_fv", table("loses_table"), gone=Int64)
twice_fv = view("twice_fv", table("twice"), n=Int64)
old_fv = view("old_fv", table("old", "taken_at"), timedelta(0), n=Int64)
left_fv = view("left_fv", PostgreSQLSource(name="left", table="kinds", timestamp_field="as_of"), large=Int64)
query = PostgreSQLSource(
    name="percent", query="SELECT thing_id, as_of, large FROM kinds WHERE word LIKE 'w%'", timestamp_field="as_of"
)
right_fv = view("right_fv", query, large=Int64)
uuids_fv = view("uuids_fv", table("uuids"), device=String, x=Float64)

services = {
    "kinds": [kinds_fv], "readings": [readings_fv], "lost_column": [column_fv], "lost_all_columns": [only_fv],
    "lost_table": [table_fv], "twice": [twice_fv], "old": [old_fv, readings_fv], "shared": [left_fv, right_fv],
    "uuids": [uuids_fv],
}
globals().update({name: FeatureService(name=name, features=views) for name, views in services.items()})
"""

TABLES = """
CREATE TABLE things (thing_id text, as_of date);
INSERT INTO things
SELECT 't' || n, day FROM generate_series(1, 6) n, (VALUES (date '2024-01-31'), ('2024-02-29')) d (day);

CREATE TABLE kinds (thing_id text, as_of date, small int, large bigint, narrow real, wide double precision,
                    price numeric(12, 2), word text, flag boolean, moment timestamptz, list bigint[], blob bytea);
INSERT INTO kinds
SELECT thing_id, as_of, n, 5000000000 + n, n / 4.0, n / 3.0, n * 1.25, 'w' || n, n % 2 = 0, as_of, ARRAY[n], 'x'
FROM (SELECT *, ltrim(thing_id, 't')::int AS n FROM things) t;
UPDATE kinds SET small = NULL, large = NULL, wide = NULL, price = NULL, word = NULL, flag = NULL
WHERE thing_id IN ('t2', 't5') AND as_of = '2024-02-29';

CREATE SCHEMA sensor;
CREATE TABLE sensor.readings (thing_id text, taken_at timestamptz, celsius double precision);
INSERT INTO sensor.readings VALUES
  ('t1', '2024-02-20 00:00+00', 1), ('t1', '2024-02-28 23:59:59+00', 2), ('t1', '2024-02-29 00:00:01+00', 3),
  ('t2', '2024-02-29 00:00+00', 10), ('t2', '2024-03-01 00:00+00', 11),
  ('t3', '2024-02-19 00:00+00', 20),
  ('t4', '2024-02-18 23:59:59+00', 30),
  ('t5', '2024-03-15 00:00+00', 40), ('t5', '2024-01-01 00:00+00', 41),
  ('t6', '2024-02-29 08:00+09', 50), ('t6', '2024-02-28 20:00-05', 51);

CREATE TABLE loses_column (thing_id text, as_of date, stays int, goes int);
INSERT INTO loses_column SELECT thing_id, as_of, 1, 2 FROM things;
CREATE TABLE loses_only_column (thing_id text, as_of date, sole int);
CREATE TABLE loses_table (thing_id text, as_of date, gone int);
CREATE TABLE twice (thing_id text, as_of date, n int);
INSERT INTO twice SELECT thing_id, as_of, 7 FROM things, generate_series(1, 2);
CREATE TABLE uuids AS
SELECT md5(n::text)::uuid AS thing_id, date '2024-02-29' AS as_of, n / 2.0 AS x,
       CASE WHEN n > 1 THEN md5('d' || n)::uuid END AS device FROM generate_series(1, 3) n;
CREATE TABLE old (thing_id text, taken_at timestamptz, n int);
INSERT INTO old SELECT thing_id, (as_of + time '06:30') AT TIME ZONE 'UTC', 1 FROM things WHERE as_of = '2024-01-31';
"""

# Entities of which the sources know nothing, or not all.
TABLES += """
CREATE TABLE strangers AS SELECT thing_id AS other_key, as_of FROM things;
CREATE TABLE newcomers AS SELECT thing_id, as_of FROM things WHERE thing_id = 't1'
UNION VALUES ('new', date '2024-02-29');
"""

LOSSES = """
ALTER TABLE loses_column DROP COLUMN goes;
ALTER TABLE loses_only_column DROP COLUMN sole;
DROP TABLE loses_table;
"""

# Imported by Python at its start: once Feast is there, it writes to standard output in every way a library can.
NOISE = """
import os, subprocess, sys, threading, time
def noise():
    while "feast" not in sys.modules:
        time.sleep(0.02)
    subprocess.run(["echo", "noise of a child"])
    while True:
        print("noise", flush=True)
        os.write(1, b"noise below Python")
        time.sleep(0.05)
if "driftgate.features.feast_adapter" in sys.orig_argv:
    threading.Thread(target=noise, daemon=True).start()
"""


@dataclass(frozen=True)
class Cases:
    """Where the cases are."""

    parameters: ConnectionParameters
    repo: Path


def sql(engine: Engine, statements: str) -> None:
    """Run statements without parameters."""
    with engine.begin() as connection:
        connection.exec_driver_sql(statements.replace("%", "%%"))


@pytest.fixture(scope="session")
def cases(server: ConnectionParameters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    """A database and an applied Feast repository, from whose sources some things were lost since."""
    parameters = replace(server, dbname=f"cases_{uuid.uuid4().hex}")
    admin = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {parameters.dbname}")
    repo = tmp_path_factory.mktemp("cases")
    (repo / "feature_store.yaml").write_text(store_text())
    (repo / "cases.py").write_text(CASES)
    engine = connect(parameters)
    sql(engine, TABLES)
    assert ensure_applied(engine, parameters, repo)
    sql(engine, LOSSES)
    engine.dispose()
    yield Cases(parameters, repo)
    close_feature_worker(parameters)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {parameters.dbname} WITH (FORCE)")
    admin.dispose()


def store_text(**other: str) -> str:
    """A feature_store.yaml; what is not given is filled from the environment."""
    values = {
        "project": "cases",
        "registry": "${FEAST_REGISTRY_URL}",
        "host": "${POSTGRES_HOST}",
        "port": "${POSTGRES_PORT}",
        "database": "${POSTGRES_DB}",
    }
    return STORE.format(**{**values, **other})


@pytest.fixture
def cases_engine(cases: Cases) -> Iterator[Engine]:
    """An engine on the cases."""
    engine = connect(cases.parameters)
    yield engine
    engine.dispose()


@contextmanager
def offline_on(engine: Engine) -> Iterator[PostgresEngine]:
    """The offline store's engine on a test's database."""
    url = engine.url
    settings = {
        "host": url.query.get("host", url.host),
        "port": url.port,
        "database": url.database,
        "user": url.username,
        "password": url.password,
        "db_schema": "public",
        "sslmode": "prefer",
    }
    with open_engine(OfflineStore(Path("repo"), "postgres", settings)) as opened:
        yield opened


@pytest.fixture
def offline(database: Engine) -> Iterator[PostgresEngine]:
    """The offline store's engine on a fresh database."""
    with offline_on(database) as opened:
        yield opened


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Feature processes that start from now on print without end."""
    folder = tmp_path_factory.mktemp("noise")
    (folder / "sitecustomize.py").write_text(NOISE)
    with pytest.MonkeyPatch.context() as patch:
        before = os.environ.get("PYTHONPATH")
        patch.setenv("PYTHONPATH", str(folder) + (os.pathsep + before if before else ""))
        yield


MONITOR = Monitor(
    name="cases",
    entity=EntitySource(table="things", key="thing_id", timestamp="as_of"),
    feature_service="of each request",
)

Read = Callable[..., tuple[FeatureMonth, dict[str, dict[str, object]]]]


@pytest.fixture
def request_for(cases: Cases, tmp_path: Path) -> Callable[..., FeatureRequest]:
    """A request for the newer month of a service, as the flow would make it."""

    def build(service: str, table: str = "things", key: str = "thing_id", **other: object) -> FeatureRequest:
        entity = EntitySource(table=table, key=key, timestamp="as_of")
        monitor = MONITOR.model_copy(update={"feature_service": service, "entity": entity})
        request = FeatureRequest(cases.repo, monitor, MonthSize(CUR, 6, 6), REF, tmp_path / f"{service}.arrow")
        return replace(request, **other)

    return build


@pytest.fixture
def read(cases: Cases, noise: None, request_for: Callable[..., FeatureRequest]) -> Read:
    """Read a service's newer month in the feature process: the answer, and the rows by key."""

    def ask(service: str, **other: object) -> tuple[FeatureMonth, dict[str, dict[str, object]]]:
        month = feature_worker(cases.parameters).read_month(request_for(service, **other))
        with pa.memory_map(str(month.path)) as source:
            rows = pa.ipc.open_file(source).read_all().to_pylist()
        by_key = {row.pop("thing_id"): row for row in rows}
        assert len(by_key) == len(rows) == month.rows
        return month, by_key

    return ask
