"""Runs whose process was killed, on a real Prefect server: only those are marked."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

# Holds a run as `note_run` does, without the time that Prefect takes to import; test_predict_flow.py kills a real one.
HOLD = """
import fcntl, sys, time

file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def home(prefect_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIFTGATE_HOME", str(tmp_path))
    return tmp_path


def states_of(*runs: UUID) -> list[str]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        states = [client.read_flow_run(run).state for run in runs]
        return [state.type.value for state in states if state]


def test_a_killed_run_is_marked_by_the_next_and_a_living_one_is_not(home: Path) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.states import Completed, Paused, Running

    from flows.runtime.lost_runs import mark_lost_runs
    from flows.runtime.steps import FLOW

    seen: list[str] = []

    @flow(name="begins", **FLOW)
    def begins() -> None:
        assert mark_lost_runs(home) == []
        seen.extend(states_of(killed, waiting, ended, own()))

    def own() -> UUID:
        from prefect.runtime import flow_run

        return UUID(str(flow_run.id))

    with get_client(sync_client=True) as client:
        made = [client.create_flow_run(begins, state=state) for state in (Running(), Paused(), Completed())]
    killed, waiting, ended = (run.id for run in made)
    (home / "runs").mkdir()
    command = [sys.executable, "-c", HOLD, str(home / "runs" / str(killed))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert mark_lost_runs(home) == [] and states_of(killed) == ["RUNNING"]
        process.kill()
    for gone in (waiting, ended, uuid4()):  # the last is a run that was deleted
        (home / "runs" / str(gone)).touch()
    begins()
    assert seen == ["CRASHED", "CRASHED", "COMPLETED", "RUNNING"]
    (left,) = (home / "runs").iterdir()
    assert left.name not in map(str, (killed, waiting, ended))


def test_the_tasks_of_a_killed_run_are_marked_with_it_and_those_that_ended_are_not(home: Path) -> None:
    from prefect import flow, task
    from prefect.client.orchestration import get_client
    from prefect.states import Completed, Pending, Running

    from flows.runtime.lost_runs import mark_lost_runs

    @flow(name="with tasks")
    def with_tasks() -> None:
        pass

    @task(name="a task")
    def a_task() -> None:
        pass

    with get_client(sync_client=True) as client:
        run = client.create_flow_run(with_tasks, state=Running())
        states = (Running(), Pending(), Completed())
        made = [
            client.create_task_run(a_task, run.id, dynamic_key=str(n), state=state) for n, state in enumerate(states)
        ]
        other = client.create_flow_run(with_tasks, state=Running())
        untouched = client.create_task_run(a_task, other.id, dynamic_key="0", state=Running())
    (home / "runs").mkdir()
    (home / "runs" / str(run.id)).touch()
    assert mark_lost_runs(home) == [run.id]
    with get_client(sync_client=True) as client:
        found = [client.read_task_run(item.id).state_type for item in (*made, untouched)]
    assert [kind and kind.value for kind in found] == ["CRASHED", "CRASHED", "COMPLETED", "RUNNING"]


def test_what_a_process_left_that_was_killed_before_its_run_began_is_removed(home: Path) -> None:
    from flows.runtime.lost_runs import mark_lost_runs

    (home / "runs").mkdir()
    held, left = (home / "runs" / f".{uuid4()}" for _ in range(2))
    left.touch()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(held)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert mark_lost_runs(home) == []
        assert [path.name for path in (home / "runs").iterdir()] == [held.name]
        process.kill()


def test_without_any_run_there_is_nothing_to_mark(home: Path) -> None:
    from flows.runtime.lost_runs import mark_lost_runs

    assert mark_lost_runs(home) == []
    assert not (home / "runs").exists()


CUT_OFF = """
from driftgate.process import end_on_signals, run_program

end_on_signals(most_seconds=4)

def work():
    import time

    from prefect import flow

    from flows.runtime.steps import FLOW, step

    @step("long")
    def long():
        time.sleep(1)
        print("begun", flush=True)
        time.sleep(60)

    @flow(name="cut off", **FLOW)
    def cut_off():
        begun = long.submit()
        begun.result()

    cut_off()

run_program(work)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_a_signal_ends_says_so_at_once_with_its_tasks(
    home: Path, prefect_api: str, number: signal.Signals
) -> None:
    from prefect.client.orchestration import get_client

    environment = {**os.environ, "PREFECT_API_URL": prefect_api, "PREFECT_LOGGING_LEVEL": "ERROR"}
    with subprocess.Popen(
        [sys.executable, "-c", CUT_OFF], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        (path,) = (home / "runs").iterdir()
        process.send_signal(number)
        assert (process.wait(), process.stderr.read() if process.stderr else "") == (128 + number, "")
    assert states_of(UUID(path.name)) == ["CRASHED"]
    assert list((home / "runs").iterdir()) == []
    with get_client(sync_client=True) as client:
        tasks = [task for task in client.read_task_runs() if str(task.flow_run_id) == path.name]
    assert [task.state.type.value for task in tasks if task.state] == ["CRASHED"]
