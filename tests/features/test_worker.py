"""The feature process: its answers survive what libraries print, and its own end is told."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, text

from driftgate.errors import DriftgateError, FeastRepositoryError
from driftgate.features.types import FeatureRequest
from driftgate.features.worker import FeatureWorker
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
