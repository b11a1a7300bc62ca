"""What `driftgate up` holds in memory at rest, by part, with a champion.

    python -m benchmarks.idle
    python -m benchmarks.idle --only pages,prefect,worker,api

Sample months are made and loaded, a model is trained, and `up --detach` starts on free ports in a folder of its own. It
is measured some seconds after all parts have said that they are ready, and ended. Memory is PSS: what processes
share, such as pages that a fork has not changed, counts once. `private` is what a process shares with no other.
"""

import argparse
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.measure import temporary_home
from benchmarks.memory import line, places
from driftgate.supervision.state import UpStatus, read_status
from flows.runtime.local_server import free_port
from flows.runtime.parts import NAMES

_MIB = 2**20
_PORTS = ("PAGES", "UI", "API", "EVIDENTLY", "MLFLOW")
_BESIDE = "supervisor, guard, PostgreSQL and its keeper"


@dataclass(frozen=True)
class Process:
    """One process, and the part that it is of."""

    part: str
    pid: int
    pss: int
    private: int


def main() -> None:
    """Start everything, wait, say what each part holds, and end everything."""
    parser = argparse.ArgumentParser(description="Memory of `driftgate up` at rest, by part")
    parser.add_argument("--users", type=int, default=700, help="in each month")
    parser.add_argument("--seconds", type=float, default=6.0, help="between the end of the start and the measurement")
    parser.add_argument("--only", default=",".join(NAMES), help="parts, as `driftgate up` takes them")
    options = parser.parse_args()
    home = temporary_home("dgidle")
    environment = places(home) | ports()
    prepare(home, environment, options.users)
    started = time.perf_counter()
    run(home, environment, "up", "--detach", "--only", options.only)
    try:
        print(f"all parts are there after {time.perf_counter() - started:.1f} s", flush=True)
        time.sleep(options.seconds)
        for text in words(measured(home / "home")):
            print(text, flush=True)
    finally:
        run(home, environment, "down", "--force")


def ports() -> dict[str, str]:
    """The variables of free ports for all parts that listen."""
    return {f"DRIFTGATE_{name}_PORT": str(free_port()) for name in _PORTS}


def prepare(home: Path, environment: Mapping[str, str], users: int) -> None:
    """Load sample months, and train the champion on the first."""
    run(home, environment, "sample", "--out", str(home / "data"), "--months", "2", "--users", str(users))
    run(home, environment, "load")
    run(home, environment, "train")


def run(home: Path, environment: Mapping[str, str], *arguments: str) -> None:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed.
    """
    log = home / f"{arguments[0]}.log"
    with log.open("w") as output:
        done = subprocess.run(
            line(*arguments), env={**environment}, cwd=home, stdout=output, stderr=output, check=False
        )
    if done.returncode != 0:
        raise RuntimeError(f"{arguments[0]} ended with {done.returncode}: {log.read_text()[-2000:]}")


def measured(home: Path) -> list[Process]:
    """Every process of the `driftgate up` of a home.

    Raises:
        RuntimeError: none runs there, or not all parts run.
    """
    status = read_status(home)
    if status is None or any(part.state != "running" for part in status.parts):
        raise RuntimeError(f"not all parts run: {status and [(part.name, part.state) for part in status.parts]}")
    return list(_processes(home, status))


def words(processes: list[Process]) -> Iterator[str]:
    """A line for each part, and one for the sum."""
    parts = [name for name in (*NAMES, _BESIDE) if any(process.part == name for process in processes)]
    for name in parts:
        of_part = [process for process in processes if process.part == name]
        yield _row(name, of_part)
    yield _row("all", processes)


def _row(name: str, processes: list[Process]) -> str:
    pss, private = (sum(sizes) / _MIB for sizes in zip(*((item.pss, item.private) for item in processes), strict=True))
    return f"{name:<46}{pss:>8,.0f} MiB, private {private:>6,.0f}, processes {len(processes)}"


def _processes(home: Path, status: UpStatus) -> Iterator[Process]:
    of_parts = {part.pid: part.name for part in status.parts}
    for process in psutil.process_iter():
        # It may have ended in the meantime.
        with suppress(psutil.Error, OSError):
            text = " ".join(process.cmdline())
            if process.pid != os.getpid() and _is_of(process, home, text):
                found = process.memory_full_info()
                yield Process(_part(process, of_parts, text), process.pid, found.pss, found.uss)


def _is_of(process: psutil.Process, home: Path, text: str) -> bool:
    """Whether a process belongs to a home: PostgreSQL has another environment, and its keeper another folder."""
    return str(home) in text or str(home) in process.cwd() or process.environ().get("DRIFTGATE_HOME") == str(home)


def _part(process: psutil.Process, of_parts: Mapping[int | None, str], text: str) -> str:
    for ancestor in (process, *process.parents()):
        if ancestor.pid in of_parts:
            return of_parts[ancestor.pid]
    # What waits for the end of a fork has the command line of the process that it was forked from.
    return "lender" if "flows.runtime.lending" in text else _BESIDE


if __name__ == "__main__":
    main()
