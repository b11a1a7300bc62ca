"""The wheel is all of Driftgate: installed into an empty environment, it works in a folder that is no checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

import driftgate
from driftgate.database import ConnectionParameters
from flows.runtime.local_server import free_port
from tests.conftest import ROOT, new_database, reachable, user_environment
from tests.services.daemons import wait_until

# What a Python of the environment would find without being installed, and places that a checkout gives.
_OF_A_CHECKOUT = {"PYTHONPATH", "FEAST_REPO", "DRIFTGATE_MONITORS", "REPORT_DIR", "VIRTUAL_ENV"}


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and an empty folder to work in."""

    program: Path
    folder: Path
    environment: dict[str, str]

    def call(self, *arguments: str) -> str:
        """Run a command of driftgate, which has to succeed; returns what it prints."""
        done = subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out], cwd=ROOT, check=True)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the user of the embedded PostgreSQL can reach, as that user is another one for root."""
    folder = reachable(Path(tempfile.mkdtemp(prefix="dg")))
    yield folder
    # The embedded server of a command ends a moment after it, and until then writes there.
    wait_until("no process works there", lambda: not any(str(folder) in " ".join(each) for each in command_lines()))
    shutil.rmtree(folder)


def command_lines() -> list[list[str]]:
    """Of all processes."""
    return [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]


@pytest.fixture(scope="module")
def program(wheel: Path, place: Path) -> Path:
    """The command in a new environment: the wheel, and of the environment of the tests its other packages alone."""
    folder = place / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True)
    # A folder that is named in a .pth file is searched, and the .pth files in it are not read: no checkout is found.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages" / "others.pth"
    packages.write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "driftgate"


@pytest.fixture
def installed(server: ConnectionParameters, program: Path, place: Path) -> Iterator[Installed]:
    folder = reachable(Path(tempfile.mkdtemp(dir=place)))
    with new_database(server) as parameters:
        given = {name: value for name, value in os.environ.items() if name not in _OF_A_CHECKOUT}
        given |= {k: v for k, v in user_environment(parameters, folder).items() if k not in _OF_A_CHECKOUT}
        given |= {f"DRIFTGATE_{name}_PORT": str(free_port()) for name in ("UI", "API", "MLFLOW", "EVIDENTLY", "PAGES")}
        yield Installed(program, folder, given)


def test_the_wheel_has_what_is_no_python(wheel: Path) -> None:
    kept = set(zipfile.ZipFile(wheel).namelist())
    packages = ("driftgate", "flows", "services", "streamflow", "feature_repo")
    listed = subprocess.run(["git", "ls-files", "-z", *packages], cwd=ROOT, capture_output=True, text=True, check=True)
    files = set(filter(None, listed.stdout.split("\0")))
    assert "driftgate/reports/pages.css" in files
    # The pages that `driftgate docs` shows, and of the documentation nothing else.
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {name.removeprefix("driftgate/") for name in kept if name.startswith("driftgate/docs/")} == pages
    assert files - kept == set()


@pytest.mark.slow
def test_the_version_is_that_of_the_package(wheel: Path, installed: Installed) -> None:
    assert wheel.name.startswith(f"driftgate-{driftgate.__version__}-")
    assert installed.call("--version") == f"driftgate {driftgate.__version__}\n"


@pytest.mark.slow
def test_the_documentation_is_there(installed: Installed) -> None:
    page = (ROOT / "docs" / "reference" / "monitors.md").read_text(encoding="utf-8")
    assert installed.call("docs", "reference/monitors") == page
    assert "reference/settings" in installed.call("docs")


@pytest.mark.slow
def test_a_monitors_file_is_written_and_found_and_the_pages_are_served(installed: Installed) -> None:
    (repo,) = installed.program.parents[1].glob("lib/*/site-packages/feature_repo")
    assert "services=1" in installed.call("init", "--feast-repo", str(repo))
    written = installed.folder / "monitors.toml"
    assert "[churn_v1]" in written.read_text()
    installed.call("up", "--only", "pages", "--detach")
    try:
        (part,) = json.loads(installed.call("status", "--json"))["parts"]
        with urllib.request.urlopen(part["address"]) as answer:
            assert "There is no verdict yet" in answer.read().decode()
    finally:
        installed.call("down")


@pytest.mark.slow
def test_the_demo_needs_no_checkout(installed: Installed) -> None:
    """It writes the worked case into the folder, and what it says to try next works there."""
    database = {name for name in installed.environment if name.startswith("POSTGRES_")}
    environment = {name: value for name, value in installed.environment.items() if name not in database}
    installed = replace(installed, environment=environment)
    said = installed.call("demo")
    assert "RETRAINING_TRIGGERED" in said
    assert "Try next:\n  driftgate show " in said
    assert (installed.folder / "monitors.toml").is_file()
    assert (installed.folder / "feature_repo" / "views.py").is_file()
    assert "2024-03-31" in installed.call("show")
