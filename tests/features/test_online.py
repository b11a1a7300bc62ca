"""The online store holds one month as a whole, with the values of the point-in-time join."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Engine, text

from driftgate.database import ConnectionParameters, connect
from driftgate.errors import DatabaseUnavailableError, DataError, FeastRepositoryError, UnknownMonthError
from driftgate.features.online import KeyState, OnlineMonth, materialize_month
from driftgate.features.types import FeatureRequest, feast_environment
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import Monitor, read_monitor
from flows.runtime.environment import feature_worker
from streamflow.source_tables import SOURCE_TABLES
from tests.conftest import FEATURE_REPO, ROOT, SEEDS, close_feature_worker, new_database

FIRST, SECOND, THIRD = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)
CHURN = read_monitor(ROOT / "flows" / "monitors.toml", "churn")

Materialize = Callable[..., OnlineMonth]


@pytest.fixture(scope="module")
def place(server: ConnectionParameters, _loaded_template: ConnectionParameters) -> Iterator[ConnectionParameters]:
    """A database of this module, and an environment in which this process can use Feast."""
    with new_database(server, _loaded_template.dbname) as parameters, pytest.MonkeyPatch.context() as patch:
        for name, value in feast_environment(parameters).items():
            patch.setenv(name, value)
        yield parameters
        close_feature_worker(parameters)


@pytest.fixture
def engine(place: ConnectionParameters) -> Iterator[Engine]:
    engine = connect(place)
    yield engine
    engine.dispose()


@pytest.fixture
def materialize(place: ConnectionParameters, engine: Engine) -> Materialize:
    def run(as_of: date | None = None, monitor: Monitor = CHURN) -> OnlineMonth:
        return materialize_month(feature_worker(place), engine, monitor, FEATURE_REPO, as_of)

    return run


@pytest.fixture
def reader(place: ConnectionParameters) -> Iterator["object"]:
    from driftgate.features.online_adapter import open_reader

    reader = open_reader(FEATURE_REPO, CHURN.feature_service, "user_id")
    yield reader
    reader.close()


def offline(place: ConnectionParameters, day: date, folder: Path) -> dict[str, dict[str, object]]:
    """Every user's features of a month by the point-in-time join."""
    worker = feature_worker(place)
    size = worker.measure_month(FEATURE_REPO, CHURN, day)
    request = FeatureRequest(FEATURE_REPO, CHURN, size, None, folder / "offline.arrow")
    worker.read_month(request)
    rows = pa.ipc.open_file(pa.memory_map(str(request.out))).read_all().to_pylist()
    return {row.pop("user_id"): row for row in rows}


@pytest.mark.parametrize("day", [FIRST, THIRD])
def test_online_and_offline_values_are_equal(place, engine, materialize, reader, tmp_path: Path, day: date) -> None:
    expected = offline(place, day, tmp_path)
    assert materialize(day) == OnlineMonth(day, len(expected), True, pytest.approx(0, abs=600))
    assert reader.month() == day
    users = list(expected)
    rows = reader.read(users)
    assert rows.states == [KeyState.FOUND] * len(users) and set(rows.as_of) == {day}
    assert reader.features == tuple(rows.columns) and len(rows.columns) == 14
    nulls = 0
    for name, values in rows.columns.items():
        wanted = [expected[user][name] for user in users]
        assert values == wanted, name
        assert {type(value) for value in values} == {type(value) for value in wanted}, name
        nulls += values.count(None)
    assert nulls > 0


def test_feast_itself_reads_what_was_written(materialize, reader, engine: Engine) -> None:
    from driftgate.features.feast_adapter import open_store

    materialize(SECOND)
    with engine.connect() as connection:
        users = list(connection.execute(text("SELECT user_id FROM users ORDER BY user_id LIMIT 50")).scalars())
    store = open_store(FEATURE_REPO)
    service = store.get_feature_service(CHURN.feature_service)
    answer = store.get_online_features(service, [{"user_id": user} for user in [*users, "nobody"]]).to_dict()
    store._get_provider().online_store._conn.close()
    ours = reader.read([*users, "nobody"])
    assert {name: answer[name] for name in ours.columns} == ours.columns


@pytest.mark.slow
@pytest.mark.skipif(not SEEDS.is_dir(), reason=f"the real months are not at {SEEDS}")
def test_online_and_offline_are_equal_on_the_real_month(server: ConnectionParameters, tmp_path: Path) -> None:
    from driftgate.features.applying import ensure_applied
    from driftgate.snapshots import ingest_month

    with new_database(server) as parameters, pytest.MonkeyPatch.context() as patch:
        for name, value in feast_environment(parameters).items():
            patch.setenv(name, value)
        engine = connect(parameters)
        ingest_month(engine, SOURCE_TABLES, SEEDS / "month_000", FIRST)
        ensure_applied(engine, parameters, FEATURE_REPO)
        from driftgate.features.online_adapter import open_reader

        reader = open_reader(FEATURE_REPO, CHURN.feature_service, "user_id")
        assert reader.month() is None
        materialize_month(feature_worker(parameters), engine, CHURN, FEATURE_REPO)
        expected = offline(parameters, FIRST, tmp_path)
        rows = reader.read(list(expected))
        for name, values in rows.columns.items():
            assert values == [row[name] for row in expected.values()], name
        reader.close()
        engine.dispose()
        close_feature_worker(parameters)


def test_a_user_who_left_is_unknown(materialize, reader, engine: Engine) -> None:
    materialize(FIRST)
    one = "SELECT user_id FROM MONTHS WHERE as_of = :{}"
    gone, *_ = users_of(engine, f"{one.format('day')} EXCEPT {one.format('other')}", day=FIRST, other=SECOND)
    assert reader.read([gone]).states == [KeyState.FOUND]
    materialize(SECOND)
    rows = reader.read([gone, "nobody", ""])
    assert rows.states == [KeyState.UNKNOWN] * 3 and rows.as_of == [None] * 3


def users_of(engine: Engine, query: str, **days: date) -> list[str]:
    """Users by a query over the table of months."""
    with engine.connect() as connection:
        found = connection.execute(text(query.replace("MONTHS", "subscriptions_profile_snapshots")), days)
        return list(found.scalars())


def in_both(engine: Engine, day: date, other: date) -> list[str]:
    one = "SELECT user_id FROM MONTHS WHERE as_of = :{}"
    return users_of(engine, f"{one.format('day')} INTERSECT {one.format('other')} LIMIT 100", day=day, other=other)


def test_without_a_date_the_newest_month_is_served_and_never_replaced_by_an_older(
    materialize, reader, engine: Engine
) -> None:
    assert materialize().as_of == THIRD
    with engine.begin() as connection:
        connection.execute(text("UPDATE online_views SET as_of = '2024-04-30'"))
    kept = materialize()
    assert (kept.as_of, kept.written) == (date(2024, 4, 30), False)
    # Asked for by its date, any month may be served.
    assert materialize(FIRST).written and reader.month() == FIRST
    assert materialize().as_of == THIRD and reader.month() == THIRD


def test_repeating_changes_nothing(materialize, engine: Engine) -> None:
    def content() -> list[object]:
        query = "SELECT encode(entity_key, 'hex'), feature_name, value, value_text, event_ts FROM {} ORDER BY 1, 2"
        with engine.connect() as connection:
            return [
                connection.execute(text(query.format(f"streamflow_{view}"))).all()
                for view in ("subs_profile_fv", "usage_agg_30d_fv", "payments_agg_90d_fv", "support_agg_90d_fv")
            ]

    materialize(SECOND)
    before = [[(*row[:2], bytes(row[2]), *row[3:]) for row in rows] for rows in content()]
    materialize(SECOND)
    assert [[(*row[:2], bytes(row[2]), *row[3:]) for row in rows] for rows in content()] == before


def test_readers_see_one_month_or_the_other_while_it_changes(materialize, reader, engine: Engine) -> None:
    materialize(FIRST)
    users = in_both(engine, FIRST, SECOND)
    done = threading.Event()
    seen: set[date | None] = set()
    reads = 0

    def change() -> None:
        for day in (SECOND, FIRST, SECOND):
            materialize(day)
        done.set()

    thread = threading.Thread(target=change)
    thread.start()
    while not done.is_set():
        rows = reader.read(users)
        assert set(rows.states) == {KeyState.FOUND}
        assert len(set(rows.as_of)) == 1
        seen.update(rows.as_of)
        reads += 1
    thread.join()
    assert seen == {FIRST, SECOND} and reads > 10


@pytest.mark.slow
def test_killed_in_the_middle_the_old_month_stays(place, materialize, reader, engine: Engine) -> None:
    materialize(FIRST)
    with engine.connect() as lock, engine.connect() as look:
        # The last of the four views cannot be written, so the three before are, and nothing is committed.
        lock.execute(text("LOCK TABLE streamflow_support_agg_90d_fv IN SHARE MODE"))
        with FeatureWorker(place) as worker:
            failure: list[Exception] = []

            def write() -> None:
                try:
                    materialize_month(worker, engine, CHURN, FEATURE_REPO, SECOND)
                except Exception as error:
                    failure.append(error)

            thread = threading.Thread(target=write)
            thread.start()
            waiting = text(
                "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
                "WHERE relname = 'streamflow_support_agg_90d_fv' AND NOT granted"
            )
            deadline = time.monotonic() + 120
            while not look.execute(waiting).scalar_one():
                assert time.monotonic() < deadline and not failure, failure
                time.sleep(0.05)
            os.kill(worker.pid, signal.SIGKILL)
            thread.join()
        assert "ended with status -9" in str(failure[0])
    assert reader.month() == FIRST
    user = in_both(engine, FIRST, SECOND)[0]
    assert reader.read([user]).as_of == [FIRST]
    materialize(SECOND)
    assert reader.read([user]).as_of == [SECOND]


def test_features_of_two_months_are_told_apart_from_whole_ones(materialize, reader, engine: Engine) -> None:
    materialize(FIRST)
    users = in_both(engine, FIRST, SECOND)[:1]
    with engine.begin() as connection:
        connection.execute(text("UPDATE streamflow_usage_agg_30d_fv SET event_ts = '2024-02-29 00:00+00'"))
    assert reader.read(users).states == [KeyState.INCOMPLETE]
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM streamflow_payments_agg_90d_fv"))
        connection.execute(text("UPDATE online_views SET as_of = '2024-02-29' WHERE view = 'usage_agg_30d_fv'"))
    assert reader.read(users).states == [KeyState.INCOMPLETE]
    assert reader.month() is None
    materialize(FIRST)
    assert reader.read(users).states == [KeyState.FOUND] and reader.month() == FIRST


def test_a_lost_connection_is_opened_again(materialize, reader, engine: Engine) -> None:
    materialize(FIRST)
    assert reader.read(["nobody"]).states == [KeyState.UNKNOWN]
    with engine.connect() as connection:
        query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = :name"
        assert connection.execute(text(query), {"name": "driftgate-online"}).scalar_one() >= 1
    assert reader.read(["nobody"]).states == [KeyState.UNKNOWN]


def test_a_read_that_takes_too_long_is_given_up(materialize, place, engine: Engine) -> None:
    from driftgate.errors import DatabaseError
    from driftgate.features.online_adapter import open_reader

    materialize(FIRST)
    reader = open_reader(FEATURE_REPO, CHURN.feature_service, "user_id", statement_seconds=0.2)
    reader.read(["nobody"])
    with engine.connect() as lock:
        lock.execute(text("LOCK TABLE streamflow_usage_agg_30d_fv IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DatabaseError, match="statement timeout"):
            reader.read(["nobody"])
    assert reader.read(["nobody"]).states == [KeyState.UNKNOWN]
    reader.close()


def test_what_is_asked_for_in_vain_is_named(materialize, engine: Engine, place) -> None:
    from driftgate.features.online_adapter import open_reader

    with pytest.raises(UnknownMonthError, match="2023-01-31"):
        materialize(date(2023, 1, 31))
    with pytest.raises(FeastRepositoryError, match="no_such_service"):
        open_reader(FEATURE_REPO, "no_such_service", "user_id")
    with pytest.raises(FeastRepositoryError, match="keyed by 'order_id'"):
        open_reader(FEATURE_REPO, CHURN.feature_service, "order_id")


def test_a_month_that_changes_while_it_is_read_is_refused(materialize, engine: Engine, monkeypatch) -> None:
    materialize(FIRST)
    measured = FeatureWorker.measure_month

    def one_more(*arguments: object) -> object:
        size = measured(*arguments)
        return type(size)(size.as_of, size.entities + 1, size.compared)

    monkeypatch.setattr(FeatureWorker, "measure_month", one_more)
    with pytest.raises(DataError, match="when it was read"):
        materialize(SECOND)


def test_without_a_server_it_is_unavailable(place: ConnectionParameters, monkeypatch, materialize) -> None:
    from dataclasses import replace

    from driftgate.features.online_adapter import open_reader

    materialize(FIRST)
    reader = open_reader(FEATURE_REPO, CHURN.feature_service, "user_id")
    reader._layout.connection["port"] = 1
    with pytest.raises(DatabaseUnavailableError):
        reader.read(["nobody"])
    for name, value in feast_environment(replace(place, port=1)).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DatabaseUnavailableError):
        open_reader(FEATURE_REPO, CHURN.feature_service, "user_id")


def test_the_command_serves_a_month(place: ConnectionParameters, tmp_path: Path, reader) -> None:
    from tests.conftest import user_environment

    environment = {**os.environ, **user_environment(place, tmp_path)}
    command = [sys.executable, "-W", "ignore", "-m", "flows.cli", "materialize", "--as-of", "2024-01-31"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[Materialize] as_of=2024-01-31 entities=2,000 is served\n"
    assert reader.month() == FIRST


@pytest.mark.parametrize("text_key", ["x", "", "07", " 7", "7.0", "-", "9" * 30, "\u0667"])
def test_a_text_that_is_no_whole_number_is_no_integer_key(text_key: str) -> None:
    from driftgate.features.online_adapter import _encoded_key

    assert _encoded_key("order_id", "int64_val", 3, text_key) is None
    assert _encoded_key("order_id", "string_val", 3, text_key) is not None


def test_keys_are_stored_as_feast_stores_them() -> None:
    from feast.infra.key_encoding_utils import deserialize_entity_key

    from driftgate.features.online_adapter import _encoded_key

    for field, key, value in (("int64_val", "-7", -7), ("int32_val", "7", 7), ("string_val", "ä 7", "ä 7")):
        stored = _encoded_key("order_id", field, 3, key)
        assert stored is not None
        back = deserialize_entity_key(stored, 3)
        assert list(back.join_keys) == ["order_id"] and getattr(back.entity_values[0], field) == value


@pytest.mark.parametrize(
    ("view", "feature"), [("usage_agg_30d_fv", "skips_7d"), ("payments_agg_90d_fv", "failed_payments_90d")]
)
def test_a_month_without_a_feature_that_is_declared_by_now_is_none(
    materialize, reader, engine: Engine, view: str, feature: str
) -> None:
    materialize(FIRST)
    assert reader.month() == FIRST
    with engine.begin() as connection:  # as it was written before that feature was declared
        connection.execute(text(f"DELETE FROM streamflow_{view} WHERE feature_name = :name"), {"name": feature})
    assert reader.month() is None
    materialize(FIRST)
    assert reader.month() == FIRST
