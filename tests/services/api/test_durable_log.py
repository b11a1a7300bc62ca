"""With API_LOG_MODE=durable an answered prediction reaches the table, whatever happens to the process."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
from sqlalchemy import text

from driftgate.predictions.spool import Spool
from services.api.app import log_engine
from services.api.durable_log import DurableLog
from services.api.metrics import Metrics
from services.api.settings import ApiSettings
from tests.predictions.test_spool import some
from tests.services.api.conftest import Command, Month, live, logged, make_service, other_database, wait_for
from tests.services.api.test_prediction_log import wait_until
from tests.services.api.test_routes import problem

Start = Callable[..., Command]


def ask_until_it_ends(base: httpx.URL, user: str, served: list[str], prefix: str) -> None:
    with httpx.Client(base_url=base, timeout=60) as own:
        for number in range(100_000):
            identity = f"{prefix}-{number}"
            try:
                answer = own.post("/predict", json={"user_id": user}, headers={"X-Request-ID": identity})
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                served.append(identity)


def kill_under_load(started: Command, month: Month, enough: int, prefix: str) -> list[str]:
    """Requests that were answered before the process was killed."""
    served: list[str] = []
    threads = [
        threading.Thread(
            target=ask_until_it_ends, args=(started.client.base_url, month.users[place], served, f"{prefix}-{place}")
        )
        for place in range(4)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(served) >= enough)
    started.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    started.process.wait(timeout=60)
    return served


def ids(month: Month, prefix: str) -> list[str]:
    with month.engine.connect() as connection:
        query = text("SELECT request_id FROM predictions WHERE request_id LIKE :some")
        return list(connection.execute(query, {"some": f"{prefix}-%"}).scalars())


def test_a_killed_process_loses_no_answered_prediction(command: Start, month: Month, tmp_path: Path) -> None:
    spool = tmp_path / "home" / "spool" / "predictions"
    served: list[str] = []
    for round_ in range(3):
        # Kills before the first write to the table, within it, and after it.
        started = command(API_LOG_MODE="durable", API_LOG_FLUSH_SECONDS=("60", "0.05", "0.5")[round_])
        answered = kill_under_load(started, month, 200, f"killed-{round_}")
        # Between two writes to the table there may be no file.
        kept = "".join(path.read_text() for path in spool.iterdir())
        saved = set(ids(month, f"killed-{round_}"))
        assert [item for item in answered if item not in saved and f'"{item}"' not in kept] == []
        assert kept or round_ > 0
        served += answered
    command(API_LOG_MODE="fast")
    wait_until(lambda: not list(spool.iterdir()))
    found = ids(month, "killed")
    assert len(served) > 600 and set(served) <= set(found)
    assert len(found) == len(set(found)), "a row was written twice"


def test_the_metrics_say_which_mode_holds(month: Month, tmp_path: Path) -> None:
    for mode in ("fast", "durable"):
        with live(make_service(month, month.versions(), spool=Spool(tmp_path), log_mode=mode)) as client:
            assert f'api_prediction_log_mode{{mode="{mode}"}} 1.0' in client.get("/metrics").text


def test_a_prediction_that_cannot_be_kept_is_not_answered(month: Month, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    service = make_service(month, month.versions(), spool=Spool(tmp_path / "file" / "spool"), log_mode="durable")
    with live(service) as client:
        wait_for(client, "/ready", 200)
        answer = client.post("/predict", json={"user_id": month.users[0]})
        assert "kept" in problem(answer, 503)["detail"] and answer.headers["retry-after"]
        (tmp_path / "file").unlink()
        assert client.post("/predict", json={"user_id": month.users[0]}).status_code == 200


def test_an_outage_keeps_rows_in_the_spool_and_their_bytes_out_of_memory(month: Month, tmp_path: Path) -> None:
    away = other_database(month, "not_there")
    service = make_service(
        month, month.versions(), parameters=away, spool=Spool(tmp_path), log_mode="durable", shutdown_seconds=0.5
    )
    with live(service) as client:
        wait_for(client, "/ready", 200)
        for _ in range(5):
            body = {"user_ids": month.users[:100]}
            assert client.post("/predict/batch", json=body, headers={"X-Request-ID": "outage"}).status_code == 200
        assert "api_prediction_log_queued 500.0" in client.get("/metrics").text
        assert "api_prediction_log_dropped_total 0.0" in client.get("/metrics").text
    for segment in service.log._segments:  # type: ignore[union-attr]
        segment.release()
    with live(make_service(month, month.versions(), spool=Spool(tmp_path), log_mode="durable")):
        wait_until(lambda: len(logged(month.engine, request_id="outage")) == 500)
    assert not list(tmp_path.iterdir())


def test_a_segment_that_the_table_refuses_is_kept_for_a_person(month: Month, tmp_path: Path) -> None:
    spool, metrics = Spool(tmp_path), Metrics()
    spool.append(some(2))
    [segment] = [spool.cut()]
    assert segment is not None
    segment.path.write_bytes(b"nonsense\n" + segment.path.read_bytes())
    segment.release()
    log = DurableLog(spool, log_engine(month.parameters, ApiSettings()), metrics, 60)
    log.start()
    log.stop(60)
    assert [path.suffix for path in tmp_path.iterdir()] == [".unreadable"]
    assert b"api_prediction_log_dropped_total 1.0" in metrics.text()


def test_a_segment_that_somebody_removed_does_not_end_the_log(month: Month, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(some(1))
    gone = spool.cut()
    assert gone is not None
    gone.path.unlink()
    spool.append(rows := some(2))
    log = DurableLog(spool, log_engine(month.parameters, ApiSettings()), Metrics(), 60)
    log._segments.append(gone)
    log.start()
    log.stop(60)
    found = {str(row["prediction_id"]) for row in logged(month.engine)}
    assert {str(row.prediction_id) for row in rows} <= found
    assert not list(tmp_path.iterdir())
