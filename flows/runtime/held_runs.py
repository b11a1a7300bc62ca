"""Flow runs of this machine that are under way: each has a file below DRIFTGATE_HOME/runs, which its process locks.

The lock ends with the process, however that ends. The file says which process it is, for who has to end it. Nothing of
Prefect is imported, so that a command can look without waiting for it.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from driftgate.files import lock_or_none, private_folder
from driftgate.supervision.state import process_started

_FOLDER = "runs"

_held: dict[Path, int] = {}


@dataclass(frozen=True)
class HeldRun:
    """A run whose process lives.

    Attributes:
        name: of the run, as Prefect shows it.
        api: address of the Prefect server that it tells of itself.
        pid: of its process.
        started: when that process started, as `process_started` says it.
    """

    name: str
    api: str
    pid: int
    started: float


def runs_folder(home: Path) -> Path:
    """Where the files of a home are."""
    return home / _FOLDER


def hold_run(home: Path, run_id: UUID, name: str) -> None:
    """Hold a run for this process until that ends."""
    folder = runs_folder(home)
    private_folder(folder)
    path, hidden = folder / str(run_id), folder / f".{run_id}"
    if path in _held:
        return
    # It gets its name once it is locked, so that nobody finds it without its owner.
    while (descriptor := lock_or_none(hidden, os.O_RDWR | os.O_CREAT)) is None:
        # Another run takes it for one of a killed process, at this moment.
        pass
    api = os.environ.get("PREFECT_API_URL", "")
    held = HeldRun(name, api, os.getpid(), process_started(os.getpid()))
    os.write(descriptor, json.dumps(asdict(held)).encode())
    hidden.rename(path)
    _held[path] = descriptor


def own_runs() -> list[Path]:
    """The files of the runs that this process holds."""
    return list(_held)


def held_runs(home: Path, api: str) -> list[HeldRun]:
    """The runs below a home whose process lives and that tell this Prefect server of themselves."""
    found = []
    for path in sorted(runs_folder(home).glob("[!.]*")):
        with suppress(OSError, ValueError, TypeError):
            descriptor = lock_or_none(path, os.O_RDWR)
            if descriptor is None:
                found.append(HeldRun(**json.loads(path.read_text(encoding="utf-8"))))
            else:
                os.close(descriptor)
    return [run for run in found if run.api == api]
