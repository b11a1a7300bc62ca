"""What commands hold in memory: every process of theirs, their Prefect server and PostgreSQL included.

    python -m benchmarks.memory --users 300000 load monitor
    python -m benchmarks.memory --users 2000 --months 36 load backfill

Memory is PSS: what processes share, such as PostgreSQL's buffers and pages that a fork has not changed, counts once.
The first and the last third of a command say whether it grows with what it has done.
"""

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from benchmarks.measure import temporary_home

ROOT = Path(__file__).resolve().parents[1]
_SAMPLE_SECONDS = 0.5
_MIB = 2**20
# Words of a command line, and whose it is; the first that fits.
_ROLES = {
    "prefect_server.py": "Prefect server",
    "driftgate.features": "features",
    "driftgate.drift": "Evidently",
    "keeper.py": "keeper",
    "flows.cli": "command",
}


def main() -> None:
    """Write sample months, then run each command and say what it held."""
    parser = argparse.ArgumentParser(description="Memory of commands with all their processes")
    parser.add_argument("--users", type=int, default=300_000, help="in each month")
    parser.add_argument("--months", type=int, default=2)
    parser.add_argument("commands", nargs="+", help="of driftgate, in this order, such as load, monitor, backfill")
    options = parser.parse_args()
    home = temporary_home("dgmem")
    environment = places(home)
    print(f"{options.months} months of {options.users:,} users", flush=True)
    sample = ["sample", "--out", str(home / "data"), "--months", str(options.months), "--users", str(options.users)]
    subprocess.run(line(*sample), env=environment, cwd=home, check=True, stdout=subprocess.DEVNULL)
    for command in options.commands:
        for text in words(command, run(command, home, environment)):
            print(text, flush=True)


def places(home: Path) -> dict[str, str]:
    """The variables of a user who keeps everything in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("POSTGRES_", "PREFECT_"))}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "DRIFTGATE_HOME": str(home / "home"),
        "DRIFTGATE_DATA": str(home / "data"),
        "DRIFTGATE_MONITORS": str(ROOT / "flows" / "monitors.toml"),
        "FEAST_REPO": str(ROOT / "feature_repo"),
        "REPORT_DIR": str(home / "reports"),
        "EVIDENTLY_WORKSPACE": str(home / "workspace"),
        "PREDICTION_DIR": str(home / "predictions"),
        "MLFLOW_ARTIFACTS": str(home / "mlartifacts"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }


def line(*arguments: str) -> list[str]:
    """The command line of a command."""
    return [sys.executable, "-m", "flows.cli", *arguments]


def run(command: str, home: Path, environment: Mapping[str, str]) -> list[Counter[str]]:
    """Run a command to its end; bytes by role at each moment.

    Raises:
        RuntimeError: it failed; its output is in `home`.
    """
    log = home / f"{command}.log"
    with log.open("w") as output:
        process = subprocess.Popen(line(command), env=environment, cwd=home, stdout=output, stderr=output)
        samples = Samples(str(home), process)
        samples.start()
        process.wait()
        samples.join()
    if process.returncode != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}: {log.read_text()[-2000:]}")
    return samples.found


class Samples(threading.Thread):
    """The memory of every process in a folder, for as long as a command runs."""

    def __init__(self, folder: str, process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
        super().__init__(daemon=True)
        self.found: list[Counter[str]] = []
        self._folder = folder
        self._process = process

    def run(self) -> None:
        while self._process.poll() is None:
            self.found.append(Counter())
            for role, size in of_folder(self._folder):
                self.found[-1][role] += size
            time.sleep(_SAMPLE_SECONDS)


def of_folder(folder: str) -> Iterator[tuple[str, int]]:
    """Role and PSS in bytes of each process that works in a folder, or has its state there."""
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid():
                continue
            text = " ".join(process.cmdline())
            if folder in process.cwd() or folder in process.environ().get("DRIFTGATE_HOME", ""):
                yield role_of(process.name(), text), process.memory_full_info().pss
        except (psutil.Error, OSError):
            continue


def role_of(name: str, text: str) -> str:
    """Whose a process is, by its name and its command line."""
    other = "PostgreSQL" if name == "postgres" else "others"
    return next((role for part, role in _ROLES.items() if part in text), other)


def words(command: str, samples: list[Counter[str]]) -> Iterator[str]:
    """The peak with its parts, and the first and the last third."""
    totals = [sample.total() / _MIB for sample in samples]
    peak = samples[totals.index(max(totals))]
    parts = ", ".join(f"{role} {size / _MIB:,.0f}" for role, size in peak.most_common() if size >= _MIB)
    third = max(1, len(totals) // 3)
    yield f"{command}: {len(totals) * _SAMPLE_SECONDS:.0f} s or more, peak {max(totals):,.0f} MiB ({parts})"
    for name, part in (("first", samples[:third]), ("middle", samples[third:-third]), ("last", samples[-third:])):
        roles = sorted({role for sample in part for role in sample})
        shares = ", ".join(f"{role} {statistics.median(item[role] for item in part) / _MIB:,.0f}" for role in roles)
        yield f"  {name} third, median of each: {shares}"


if __name__ == "__main__":
    main()
