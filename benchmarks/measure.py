"""One command as a whole: wall and CPU seconds and peak memory of the process and all it starts."""

import atexit
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_SAMPLE_SECONDS = 0.05
_MIB = 2**20
# A word of the command line of the process that forks.
_LENDER = "flows.runtime.lending"


@dataclass(frozen=True)
class Cost:
    """What a command took; `memory_mib` is the peak of the memory that its processes share with no other, together."""

    wall_seconds: float
    cpu_seconds: float
    memory_mib: float


def temporary_home(prefix: str) -> Path:
    """A folder that is removed at exit, after the embedded server that is started in it has stopped."""
    home = Path(tempfile.mkdtemp(prefix=prefix))
    home.chmod(0o711)  # for root the embedded server runs as another user, who must get there
    # What is registered first runs last: the server stops at exit by a list that it keeps in this folder.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def measure(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Cost:
    """Run the command to its end. PostgreSQL, which it only talks to, is not counted.

    Raises:
        RuntimeError: it failed; its output is in `log`.
    """
    with log.open("w") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
        peak = _Peak(process.pid)
        peak.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        peak.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}; see {log}")
    return Cost(wall, usage.ru_utime + usage.ru_stime + sum(peak.lent.values()), peak.mib)


class _Peak(threading.Thread):
    """Samples the memory of a process tree, and of what was forked for it elsewhere in the meantime."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.mib = 0.0
        self.lent: dict[int, float] = {}
        """CPU seconds of each process that was forked for this one, and which nobody else counts."""
        self._pid = pid
        # By the same clock as the others: the time of the boot is known to a second only.
        self._since = psutil.Process(pid).create_time()
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            try:
                root = psutil.Process(self._pid)
                own = [root, *root.children(recursive=True)]
                lenders = [item for item in psutil.Process(1).children() if _LENDER in item.cmdline()]
                family = [item for lender in lenders for item in lender.children(recursive=True)]
                lent = [item for item in family if item.create_time() >= self._since]
                total = sum(_unshared(item) for item in [*own, *lent])
                for item in lent:
                    times = item.cpu_times()
                    self.lent[item.pid] = times.user + times.system
            except psutil.NoSuchProcess:
                continue
            self.mib = max(self.mib, total / _MIB)

    def stop(self) -> None:
        self._done.set()
        self.join()


def _unshared(process: psutil.Process) -> int:
    try:
        if process.name() == "postgres":
            return 0
        return int(process.memory_full_info().uss)
    except psutil.Error:
        return 0
