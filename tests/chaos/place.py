"""Where a case runs: folders of its own, always at the same path, and every process that belongs to them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
# How the processes of a command are known by what they were started with.
ROLES = {
    "features": ("driftgate.worker", "driftgate.features."),
    "evidently": ("driftgate.worker", "driftgate.drift.evidently_adapter"),
    "postgres": ("bin/postgres", "-D"),
    "keeper": ("database/keeper.py",),
    "prefect": ("prefect_server.py", "--with-parent"),
    "api worker": ("multiprocessing.spawn", "spawn_main"),
}
_GONE_SECONDS = 60.0


class Place:
    """The folders of a case below `base`, which are copied from templates and thrown away."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.case = base / "case"
        self.templates = base / "templates"
        self.data = base / "data"
        self.logs = base / "logs"
        for folder in (self.templates, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        # For root the embedded server runs as another user, who must get through.
        for folder in (base, self.templates):
            folder.chmod(0o711)

    @property
    def home(self) -> Path:
        """DRIFTGATE_HOME of the case."""
        return self.case / "home"

    def environment(self, **more: str) -> dict[str, str]:
        """The variables of a user who keeps everything in the folder of the case."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("POSTGRES_", "API_"))}
        kept.pop("PREFECT_API_URL", None)
        return kept | {
            "PYTHONPATH": str(ROOT),
            "DRIFTGATE_HOME": str(self.home),
            "DRIFTGATE_DATA": str(self.data),
            "DRIFTGATE_MONITORS": str(ROOT / "flows" / "monitors.toml"),
            "FEAST_REPO": str(ROOT / "feature_repo"),
            "REPORT_DIR": str(self.case / "reports"),
            "PREDICTION_DIR": str(self.case / "predictions"),
            "EVIDENTLY_WORKSPACE": str(self.case / "workspace"),
            "MLFLOW_ARTIFACTS": str(self.case / "mlartifacts"),
            "TMPDIR": str(self.case / "tmp"),
            "API_LOG_MODE": "durable",
            **more,
        }

    def clear(self) -> None:
        """Begin with nothing."""
        shutil.rmtree(self.case, ignore_errors=True)
        self.case.mkdir()
        self.case.chmod(0o711)
        (self.case / "tmp").mkdir()
        self.home.mkdir(mode=0o711)

    def save(self, name: str) -> None:
        """Keep the case, in which nothing runs, as a template."""
        _copy(self.case, self.templates / name)

    def restore(self, name: str) -> None:
        """Begin with what a template holds."""
        shutil.rmtree(self.case, ignore_errors=True)
        _copy(self.templates / name, self.case)

    def start(self, arguments: tuple[str, ...], log: str, **more: str) -> "subprocess.Popen[bytes]":
        """Start a command; standard output and error go to `log`.out and `log`.err below `logs`."""
        with (self.logs / f"{log}.out").open("wb") as out, (self.logs / f"{log}.err").open("wb") as err:
            return subprocess.Popen(
                [sys.executable, "-m", "flows.cli", *arguments],
                cwd=self.base,
                env=self.environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def run(self, arguments: tuple[str, ...], log: str, **more: str) -> str:
        """Run a command to its end; its standard output.

        Raises:
            RuntimeError: it failed.
        """
        status = self.start(arguments, log, **more).wait()
        if status != 0:
            raise RuntimeError(f"driftgate {' '.join(arguments)} ended with {status}: {self.errors(log)}")
        left = self.end_all()
        if left:
            raise RuntimeError(f"driftgate {' '.join(arguments)} left {left}")
        return self.output(log)

    def output(self, log: str) -> str:
        """What a command wrote to standard output."""
        return (self.logs / f"{log}.out").read_text()

    def errors(self, log: str, most: int = 2000) -> str:
        """The end of what a command wrote to standard error."""
        return (self.logs / f"{log}.err").read_text(errors="replace")[-most:]

    def processes(self) -> Iterator[psutil.Process]:
        """Every living process that was started for the case, or is in its folders."""
        home, inside = str(self.home), str(self.case)
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                    continue
                words = (process.cwd(), *process.cmdline())
                if process.environ().get("DRIFTGATE_HOME") == home or any(inside in word for word in words):
                    yield process
            except (psutil.Error, OSError):
                continue

    def role(self, name: str, main: int) -> list[psutil.Process]:
        """The processes of a role, oldest first; `main` is the command itself."""
        if name == "main":
            return [psutil.Process(main)] if psutil.pid_exists(main) else []
        return [found for found in self.processes() if role_of(found) == name]

    def end_all(self, seconds: float = _GONE_SECONDS) -> list[str]:
        """Wait until no process of the case is left; the command lines of those that stay, which are then killed."""
        deadline = time.monotonic() + seconds
        while left := list(self.processes()):
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        lines = [" ".join(process.cmdline())[:200] for process in left if process.is_running()]
        for process in left:
            process.kill()
        return lines


def role_of(process: psutil.Process) -> str | None:
    """The role of a process; None where it has none that is killed."""
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return None
    return next((role for role, words in ROLES.items() if all(word in line for word in words)), None)


def _copy(source: Path, target: Path) -> None:
    # Owners are kept: for root the server's folder belongs to another user.
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)
