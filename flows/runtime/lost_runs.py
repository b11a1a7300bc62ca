"""Runs whose process was killed: nobody tells Prefect of their end, so the next run does.

A process that a signal ends in order tells it itself, at its end: Prefect's engine does so in most places, not in all.
"""

import atexit
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from driftgate.files import lock_or_none, remove_unlocked
from driftgate.process import before_end, noted_signal
from driftgate.settings import Settings
from flows.runtime.held_runs import hold_run, own_runs, runs_folder

_KILLED = "The process of this run was killed."
# A pause is waited for by the process, so that without one nothing would go on.
_UNFINISHED = (StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)


def note_run(_flow: Any, flow_run: Any, _state: Any) -> None:
    """Hold a lock for a run that begins, and mark as crashed the runs that nobody holds; a hook of Prefect's."""
    home = Settings.load().driftgate_home
    hold_run(home, flow_run.id, str(flow_run.name))
    mark_lost_runs(home)


def mark_lost_runs(home: Path) -> list[UUID]:
    """Mark as crashed, on the configured Prefect server, the runs below a home whose process is gone, and their tasks.

    Returns:
        The ids of those runs.
    """
    lost: list[UUID] = []
    # Of processes that were killed before the file had its name; their runs had not begun.
    remove_unlocked(runs_folder(home).glob(".*"))
    for path in sorted(runs_folder(home).glob("[!.]*")):
        descriptor = lock_or_none(path, os.O_RDWR)
        if descriptor is None:
            continue
        try:
            run_id = UUID(path.name)
            lost += [run_id] if _mark(run_id) else []
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
    return lost


def _mark(run_id: UUID) -> bool:
    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        state = client.read_flow_run(run_id).state
        if state is None or state.type is StateType.COMPLETED:
            return False
        # The run last: were this process killed before, the next would begin with its tasks again. Prefect marks a run
        # that is cut off, and not those of its tasks that run in threads.
        for task_run in _unfinished_tasks(client, run_id):
            client.set_task_run_state(task_run, Crashed(message=_KILLED), force=True)
        if state.type in _UNFINISHED:
            client.set_flow_run_state(run_id, Crashed(message=_KILLED), force=True)
            return True
    return False


def _unfinished_tasks(client: SyncPrefectClient, run_id: UUID) -> list[UUID]:
    """The task runs of a flow run that have not ended; a page of the server's answer at a time."""
    run = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    state = TaskRunFilterState(type=TaskRunFilterStateType(any_=list(_UNFINISHED)))
    found: list[UUID] = []
    while page := client.read_task_runs(
        flow_run_filter=run, task_run_filter=TaskRunFilter(state=state), offset=len(found)
    ):
        found += [task_run.id for task_run in page]
    return found


def _mark_own() -> None:
    """Mark the runs of this process, which a signal ends.

    Where the server does not answer any more the file stays, and the next run marks what it names.
    """
    for path in own_runs():
        if path.exists():
            _mark(UUID(path.name))
            path.unlink(missing_ok=True)


before_end(_mark_own)


@atexit.register
def _leave_own() -> None:
    if noted_signal():
        # Where the process was in an import, nothing else has called it.
        with suppress(Exception):
            _mark_own()
        return
    for path in own_runs():
        path.unlink(missing_ok=True)
