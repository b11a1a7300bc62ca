"""Runs whose process was killed: nobody tells Prefect of their end, so the next run does.

Each run has a file below DRIFTGATE_HOME/runs, on which its process holds a lock. The lock ends with the process,
however that ends.
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

from driftgate.files import lock_or_none, private_folder, remove_unlocked
from driftgate.settings import Settings

_FOLDER = "runs"
_KILLED = "The process of this run was killed."
# A pause is waited for by the process, so that without one nothing would go on.
_UNFINISHED = (StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING)

_held: dict[Path, int] = {}


def note_run(_flow: Any, flow_run: Any, _state: Any) -> None:
    """Hold a lock for a run that begins, and mark as crashed the runs that nobody holds; a hook of Prefect's."""
    home = Settings.load().driftgate_home
    _hold_run(home / _FOLDER, flow_run.id)
    mark_lost_runs(home)


def mark_lost_runs(home: Path) -> list[UUID]:
    """Mark as crashed, on the configured Prefect server, the runs below a home whose process is gone, and their tasks.

    Returns:
        The ids of those runs.
    """
    lost: list[UUID] = []
    # Of processes that were killed before the file had its name; their runs had not begun.
    remove_unlocked((home / _FOLDER).glob(".*"))
    for path in sorted((home / _FOLDER).glob("[!.]*")):
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
        if state is not None and state.type in _UNFINISHED:
            # The run last: were this process killed before, the next would begin with its tasks again.
            for task_run in _unfinished_tasks(client, run_id):
                client.set_task_run_state(task_run, Crashed(message=_KILLED), force=True)
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


def _hold_run(folder: Path, run_id: UUID) -> None:
    private_folder(folder)
    path, hidden = folder / str(run_id), folder / f".{run_id}"
    if path in _held:
        return
    # It gets its name once it is locked, so that nobody finds it without its owner.
    while (descriptor := lock_or_none(hidden, os.O_RDWR | os.O_CREAT)) is None:
        # Another run takes it for one of a killed process, at this moment.
        pass
    hidden.rename(path)
    _held[path] = descriptor


@atexit.register
def _remove_own() -> None:
    for path in _held:
        path.unlink(missing_ok=True)
