"""The feature process: its answers survive what libraries print, and its own end is told."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from sqlalchemy import Engine, text

from driftgate.errors import DataError, DriftgateError, FeastRepositoryError
from driftgate.features.entities import MonthSize
from driftgate.features.types import FeatureMonth, FeatureRequest
from driftgate.features.worker import FeatureWorker, read_features
from driftgate.monitors import EntitySource, Monitor
from driftgate.worker import Worker
from flows.runtime.environment import feature_worker
from tests.features.conftest import Cases, Read


def test_what_feast_prints_goes_to_standard_error(
    cases: Cases, noise: None, request_for: Callable[..., FeatureRequest], capfd: pytest.CaptureFixture[str]
) -> None:
    with FeatureWorker(cases.parameters) as worker:
        assert worker.alive
        for service in ("kinds", "readings", "kinds"):
            assert worker.read_month(request_for(service)).rows == 6
            time.sleep(0.1)
        with pytest.raises(FeastRepositoryError):
            worker.read_month(request_for("no_such_service"))
        assert worker.read_month(request_for("kinds")).rows == 6
        printed = capfd.readouterr()
        assert "noise below Python" in printed.err and "noise of a child" in printed.err
        assert printed.out == ""

        _kill(worker)
        with pytest.raises(DriftgateError, match="ended with status -9") as caught:
            worker.read_month(request_for("kinds"))
        assert "memory" in caught.value.remedy
        assert not worker.alive
    worker.close()


def _kill(worker: FeatureWorker) -> None:
    os.kill(worker.pid, signal.SIGKILL)


def test_a_process_killed_in_the_middle_is_told_and_replaced(
    cases: Cases, read: Read, cases_engine: Engine, request_for: Callable[..., FeatureRequest]
) -> None:
    read("kinds")
    worker = feature_worker(cases.parameters)
    assert feature_worker(cases.parameters) is worker
    waiting = text(
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE relname = 'kinds' AND NOT granted"
    )
    with ThreadPoolExecutor(2) as pool, cases_engine.connect() as lock, cases_engine.connect() as look:
        lock.exec_driver_sql("LOCK TABLE kinds")
        answers = [pool.submit(worker.read_month, request_for("kinds")) for _ in range(2)]
        while not look.execute(waiting).scalar_one():
            time.sleep(0.02)
        _kill(worker)
        for answer in answers:
            with pytest.raises(DriftgateError, match="ended with status -9"):
                answer.result(timeout=30)
    assert read("kinds")[0].rows == 6
    assert feature_worker(cases.parameters) is not worker


def test_a_file_that_cannot_be_written_is_an_error_and_the_process_lives_on(
    read: Read, tmp_path: Path, cases: Cases
) -> None:
    with pytest.raises(DriftgateError, match="no_such_folder"):
        read("kinds", out=tmp_path / "no_such_folder" / "x.arrow")
    assert feature_worker(cases.parameters).alive


def test_a_fault_over_there_is_told_by_its_own_exit_status(capfd: pytest.CaptureFixture[str]) -> None:
    with Worker("json") as worker:
        assert worker.call("json:loads", "[1, 2]") == [1, 2]
        with pytest.raises(DriftgateError, match="the process for json ended with status 1 "):
            worker.call("json:loads", "[1, 2")
    assert "JSONDecodeError" in capfd.readouterr().err


def test_closing_ends_the_process_and_may_be_repeated(cases: Cases) -> None:
    worker = FeatureWorker(cases.parameters)
    pid = worker.pid
    worker.close()
    worker.close()
    assert not worker.alive
    assert not psutil.pid_exists(pid)


def test_a_month_that_changed_since_it_was_counted_is_refused(tmp_path: Path) -> None:
    asked: list[FeatureRequest] = []

    def answer(request: FeatureRequest) -> FeatureMonth:
        asked.append(request)
        return FeatureMonth(request.as_of, request.out, 9, (), (), ())

    entity = EntitySource(table="things", key="id", timestamp="at")
    monitor = Monitor(name="m", entity=entity, feature_service="s")
    worker, out, day = SimpleNamespace(read_month=answer), tmp_path / "f.arrow", date(2024, 2, 29)
    # 100 entities, of which a sample is compared: what counts is the sample.
    month = read_features(worker, monitor, tmp_path, MonthSize(day, 100, 9), date(2024, 1, 31), out)  # type: ignore[arg-type]
    assert (month.rows, month.path) == (9, out) and asked[0].size.compared == 9
    with pytest.raises(DataError, match="2024-02-29 had 10 entities when the run began, and 9 when it was read"):
        read_features(worker, monitor, tmp_path, MonthSize(day, 10, 10), None, out)  # type: ignore[arg-type]
