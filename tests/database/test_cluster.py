"""Nobody but the user who started it may connect to the embedded server, wherever its socket is."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftgate.database.cluster import is_private, write_rules
from tests.database.test_embedded import Command, new_home, postmaster

# Imports first: another user may not read this one's packages.
INTRUDER = """
import os, sys
import psycopg2
os.setgid(65534)
os.setuid(65534)
try:
    psycopg2.connect(host=sys.argv[1], user="postgres", dbname="postgres")
except psycopg2.OperationalError as error:
    print(error)
    sys.exit(0)
sys.exit(1)
"""


@pytest.fixture(scope="module", params=["short path", "long path"])
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    with new_home() as folder:
        yield folder if request.param == "short path" else folder / ("x" * 60) / ("y" * 60)


@pytest.fixture(scope="module")
def socket_folder(home: Path) -> Iterator[Path]:
    """Where the socket of a running server is; the last of the tests that share it opens it to everybody."""
    with Command(home) as command:
        folder = Path(command.line())
        yield folder
        command.end()
    if folder != home / "postgres":
        shutil.rmtree(folder, ignore_errors=True)


def test_the_socket_is_in_a_private_folder(socket_folder: Path, home: Path) -> None:
    assert is_private(socket_folder, (home / "postgres").stat().st_uid)
    assert stat.S_IMODE((socket_folder / ".s.PGSQL.5432").stat().st_mode) == 0o700


def test_every_connection_is_authenticated(socket_folder: Path, home: Path) -> None:
    rules = (home / "postgres" / "pg_hba.conf").read_text()
    assert "trust" not in rules
    assert [line.split()[3] for line in rules.splitlines()] == ["peer", "peer"]


def test_another_user_gets_in_by_no_path(socket_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; the modes and rules are tested above")
    # Even where somebody opens folder and socket, the server itself turns others away.
    for folder, socket in ((0o700, 0o700), (0o755, 0o777)):
        socket_folder.chmod(folder)
        (socket_folder / ".s.PGSQL.5432").chmod(socket)
        done = subprocess.run(
            [sys.executable, "-c", INTRUDER, str(socket_folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"let in with modes {folder:o} and {socket:o}"
    assert "Peer authentication failed" in done.stdout


def test_a_running_server_of_an_earlier_release_is_closed_to_others(tmp_path: Path) -> None:
    with new_home() as home, Command(home) as earlier:
        earlier.line()
        rules = home / "postgres" / "pg_hba.conf"
        rules.write_text("local all all trust\n")
        earlier.run("SELECT pg_reload_conf()")
        with Command(home) as later:
            later.line()
            assert later.run("SELECT string_agg(auth_method, ' ') FROM pg_hba_file_rules") == "['peer peer']"
            later.end()
        earlier.end()


def test_a_long_home_keeps_its_socket_folder_over_restarts() -> None:
    with new_home() as short:
        home = short / ("x" * 100)
        folders = []
        for _ in range(2):
            with Command(home) as command:
                folders.append(command.line())
                command.end()
        assert folders[0] == folders[1]
        shutil.rmtree(folders[0])
        with Command(home) as command:
            folders.append(command.line())
            command.end()
        assert folders[2] != folders[0], "one that is gone is not trusted, and another is made"
        shutil.rmtree(folders[2])
        assert postmaster(home) is None


root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


def modes(folder: Path) -> list[tuple[str, int, int]]:
    return [(str(path), path.stat().st_mode, path.stat().st_uid) for path in (folder, *folder.parents)]


@root_only
def test_root_changes_no_folder_and_no_account(tmp_path: Path) -> None:
    with new_home() as home:
        before, accounts = modes(home), Path("/etc/passwd").read_bytes()
        with Command(home) as command:
            command.line()
            command.end()
        assert (modes(home), Path("/etc/passwd").read_bytes()) == (before, accounts)
        owner = (home / "postgres").stat()
        with pytest.raises(KeyError):
            pwd.getpwuid(owner.st_uid)
        assert stat.S_IMODE(owner.st_mode) == 0o700
        assert {path.stat().st_uid for path in (home / "postgres").rglob("*")} == {owner.st_uid}


@root_only
def test_root_is_refused_where_the_server_could_not_get_through(tmp_path: Path) -> None:
    with new_home() as short:
        closed = short / "closed"
        closed.mkdir(mode=0o700)
        before = modes(closed)
        with Command(closed / "home") as command:
            _, errors = command.process.communicate(timeout=60)
        assert command.process.returncode == 6
        assert str(closed) in errors and "/var/lib/driftgate" in errors and "Traceback" not in errors
        assert modes(closed) == before and list((closed / "home").iterdir()) == []


def test_a_data_folder_that_was_not_finished_is_made_anew() -> None:
    with new_home() as home:
        left = home / ".postgres-12345678"
        left.mkdir()
        (left / "PG_VERSION").write_text("18\n")
        with Command(home) as command:
            command.line()
            command.end()
        assert not left.exists() and (home / "postgres" / "PG_VERSION").is_file()


def test_a_folder_that_others_may_enter_or_a_link_is_not_private(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(private)
    assert is_private(private, os.geteuid())
    assert not is_private(tmp_path / "link", os.geteuid())
    assert not is_private(private, os.geteuid() + 1)
    private.chmod(0o711)
    assert not is_private(private, os.geteuid())
    assert not is_private(tmp_path / "absent", os.geteuid())


def test_rules_are_written_once_and_whole(tmp_path: Path) -> None:
    assert write_rules(tmp_path)
    assert not write_rules(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pg_hba.conf", "pg_ident.conf"]


def test_the_path_of_a_home_may_have_spaces_and_commas() -> None:
    with new_home() as short:
        with Command(short / "a, b") as command:
            folder = Path(command.line())
            assert command.run("SELECT 1") == "[1]"
            command.end()
        shutil.rmtree(folder, ignore_errors=True)
    assert folder.parent == Path(tempfile.gettempdir())
