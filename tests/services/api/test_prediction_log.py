"""Every served prediction reaches the table, or is counted as dropped."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine, text

from driftgate.database import ConnectionParameters, connect, create_tables
from driftgate.predictions.log import Prediction
from driftgate.predictions.spool import Spool, rows_left
from services.api.app import log_engine
from services.api.durable_log import DurableLog
from services.api.metrics import Metrics
from services.api.prediction_log import PredictionLog, lost_rows
from services.api.settings import ApiSettings
from tests.services.api.conftest import MONTH, Month, live, logged, make_service, other_database, wait_for

Serve = Callable[..., httpx.Client]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def some(count: int) -> list[Prediction]:
    return [Prediction(uuid4(), datetime.now(UTC), "api", f"u{n}", 1, 0.75, "1") for n in range(count)]


def test_what_was_answered_is_in_the_table(serve: Serve, month: Month) -> None:
    client = serve()
    users = month.users[:20]
    asked = datetime.now(UTC)
    answer = client.post("/predict/batch", json={"user_ids": users}, headers={"X-Request-ID": "log-1"}).json()
    wait_until(lambda: len(logged(month.engine, request_id="log-1")) == 20)
    rows = {row["entity_key"]: row for row in logged(month.engine, request_id="log-1")}
    for item in answer["predictions"]:
        row = rows[item["user_id"]]
        assert row["features"] == item["features_used"]
        assert (row["prediction"], row["probability"]) == (item["prediction"], item["probability"])
        assert (row["model_version"], row["source"], row["as_of"]) == ("1", "api", MONTH)
        assert asked <= row["time"] <= datetime.now(UTC)
    client.post("/predict", json={"user_id": "nobody"}, headers={"X-Request-ID": "log-2"})
    client.get(f"/features/{users[0]}", headers={"X-Request-ID": "log-2"})
    client.post("/predict", json={"user_id": users[0]}, headers={"X-Request-ID": "log-3"})
    wait_until(lambda: logged(month.engine, request_id="log-3"))
    assert not logged(month.engine, request_id="log-2")


def test_stopping_the_server_flushes(serve: Serve, month: Month) -> None:
    with live(make_service(month, month.versions(), log_flush_seconds=60)) as client:
        wait_for(client, "/ready", 200)
        client.post("/predict", json={"user_id": month.users[0]}, headers={"X-Request-ID": "flushed"})
        assert not logged(month.engine, request_id="flushed")
    assert len(logged(month.engine, request_id="flushed")) == 1


@pytest.fixture
def engine(parameters: ConnectionParameters) -> Iterator[Engine]:
    """As the API logs, on a fresh database."""
    engine = log_engine(parameters, ApiSettings())
    yield engine
    engine.dispose()


def test_what_does_not_fit_is_dropped_and_counted(engine: Engine) -> None:
    metrics = Metrics()
    log = PredictionLog(engine, metrics, max_rows=50, flush_seconds=60)
    log.add(some(30))
    log.add(some(30))
    log.add(some(5))
    assert b"api_prediction_log_dropped_total 15.0" in metrics.text()
    assert b"api_prediction_log_queued 50.0" in metrics.text()
    log.start()
    log.stop(60)
    assert len(logged(engine)) == 50
    assert b"api_prediction_log_queued 0.0" in metrics.text()


def test_a_refused_write_is_repeated_until_it_is_taken(engine: Engine, parameters: ConnectionParameters) -> None:
    create_tables(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE predictions ADD CONSTRAINT refused CHECK (false) NOT VALID"))
    log = PredictionLog(engine, metrics := Metrics(), max_rows=5000, flush_seconds=0.01)
    log.start()
    rows = some(2500)
    log.add(rows)
    time.sleep(0.5)
    admin = connect(parameters)
    with admin.begin() as connection:
        connection.execute(text("ALTER TABLE predictions DROP CONSTRAINT refused"))
    wait_until(lambda: len(logged(admin)) == 2500)
    # The same rows once more, as after a lost answer to a commit: they are there once.
    log.add(rows)
    log.stop(60)
    assert len(logged(admin)) == 2500
    assert b"api_prediction_log_dropped_total 0.0" in metrics.text()
    admin.dispose()


def test_a_table_that_comes_back_gets_what_waited(engine: Engine) -> None:
    log = PredictionLog(engine, Metrics(), max_rows=5000, flush_seconds=0.01)
    log.start()
    log.add(some(3))
    wait_until(lambda: log_count(engine) == 3)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE predictions RENAME TO away"))
    log.add(some(4))
    time.sleep(0.1)
    assert log_count(engine) == -1
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO predictions"))
    wait_until(lambda: log_count(engine) == 7)
    log.stop(60)


def log_count(engine: Engine) -> int:
    from sqlalchemy.exc import ProgrammingError

    try:
        return len(logged(engine))
    except ProgrammingError:
        return -1


@contextmanager
def locked_table(engine: Engine) -> Iterator[None]:
    """Nobody else can write predictions within the block."""
    with engine.connect() as connection:
        connection.execute(text("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE"))
        yield


def test_what_a_locked_table_does_not_take_is_spooled_and_taken_up_by_the_next_start(
    parameters: ConnectionParameters, tmp_path: Path
) -> None:
    settings = ApiSettings(shutdown_seconds=1)
    engine, other, metrics = log_engine(parameters, settings), connect(parameters), Metrics()
    create_tables(engine)
    log = PredictionLog(engine, metrics, 100, 0.01, Spool(tmp_path))
    before = lost_rows()
    with locked_table(other):
        log.start()
        log.add(some(7))
        log.stop(1)
        assert rows_left(tmp_path) == 7
    log.join(60)
    assert b"api_prediction_log_dropped_total 0.0" in metrics.text() and lost_rows() == before
    # Its process ends, and with it the lock on the file.
    segment = log._spool.cut() if log._spool is not None else None
    assert segment is not None
    segment.release()
    following = DurableLog(Spool(tmp_path), engine, metrics, 0.05)
    following.start()
    wait_until(lambda: len(logged(other)) == 7 and rows_left(tmp_path) == 0)
    following.stop(60)
    engine.dispose()
    other.dispose()


def test_what_can_be_written_nowhere_is_counted(month: Month, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    engine = log_engine(other_database(month, "not_there"), ApiSettings())
    log = PredictionLog(engine, metrics := Metrics(), 100, 0.01, Spool(tmp_path / "file" / "spool"))
    before = lost_rows()
    log.start()
    log.add(some(7))
    log.stop(0.5)
    assert lost_rows() == before + 7 and b"api_prediction_log_dropped_total 7.0" in metrics.text()
    log.join(60)
    engine.dispose()


def test_without_a_database_the_exit_is_not_held_up_and_the_loss_counted(month: Month) -> None:
    engine = log_engine(other_database(month, "not_there"), ApiSettings())
    log = PredictionLog(engine, metrics := Metrics(), max_rows=100, flush_seconds=0.01)
    log.start()
    log.add(some(7))
    log.stop(0.5)
    assert b"api_prediction_log_dropped_total 7.0" in metrics.text()
    log.join(60)
    assert not log.is_alive()
    engine.dispose()
