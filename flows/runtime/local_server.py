"""The Prefect server that a command uses: the one of PREFECT_API_URL, else that of `driftgate up`, else one of its own.

The last starts as a process of its own, so that it comes up while this process imports what it needs, and it ends with
the command, however that ends: it watches a pipe that closes when its parent is gone. Where it ends before the command,
it is started again at the same address, as Prefect tries each request for a minute. Runs are kept in PREFECT_HOME.
"""

import atexit
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from flows.runtime import prefect_server

_STARTUP_SECONDS = 180
_LOOK_SECONDS = 0.5
_AGAIN = "run it again; nothing is lost, and its run is marked as crashed by the next one"
_LOGIN = "PREFECT_API_AUTH_STRING"

# One command needs neither schedules nor a web page; each of these costs time at start.
_LEAN = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
}


class LocalServer:
    """A running server. `wait` before using `url`."""

    def __init__(self, **variables: str) -> None:
        """Start the process; returns at once.

        Args:
            variables: environment of the server, beside and before what keeps it lean.
        """
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._environment = {**os.environ, **_LEAN, **variables}
        self._lock = threading.Lock()
        self._closed = False
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, prefect_server.__file__, "--port", str(self.port), "--with-parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=self._environment,
            # A terminal's Ctrl-C must not end it before the run that it cuts off is recorded.
            start_new_session=True,
        )

    def wait(self) -> None:
        """Return once the server answers.

        Raises:
            DriftgateError: it ended, or did not answer in three minutes.
        """
        from driftgate.supervision.part import answers

        deadline = time.monotonic() + _STARTUP_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise _failed(f"ended with status {self._process.returncode}")
            if answers(f"{self.url}/health") is not None:
                return
            time.sleep(0.1)
        raise _failed(f"did not answer within {_STARTUP_SECONDS} s")

    def keep(self, give_up: Callable[[Exception], None]) -> None:
        """Start it again, from a thread, whenever it ends before `close`.

        Args:
            give_up: is called with a DriftgateError where it does not answer again; nothing is tried after that.
        """

        def watch() -> None:
            while True:
                self._process.wait()
                with self._lock:
                    if self._closed:
                        return
                    self._process = self._start()
                try:
                    self.wait()
                except Exception as error:
                    if not self._closed:
                        give_up(error)
                    return

        threading.Thread(target=watch, name="prefect server", daemon=True).start()

    def close(self) -> None:
        """End the server."""
        with self._lock:
            self._closed = True
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def start_prefect() -> Callable[[], None]:
    """Set Prefect up, with a server of its own where there is none to use; call the result to wait for it.

    Raises:
        ConfigurationError: a setting is wrong.
        OutputError: DRIFTGATE_HOME cannot be made.
    """
    from driftgate.files import private_folder
    from driftgate.scratch import scratch_folder
    from driftgate.settings import Settings

    home = Settings.load().driftgate_home
    # Made here: Prefect's server does not make the folders above its own.
    scratch_folder(home)
    private_folder(home / "prefect")
    configured = os.environ.get("PREFECT_API_URL")
    found = None if configured else server_of_up(home)
    os.environ.update(prefect_variables(home, found))
    if configured:
        # A fork of the lender is told by the variable.
        of_up = watch_up(home, configured)
        return lambda: require_server(configured, of_up=of_up)
    if found:
        watch_up(home, found)
        return lambda: None

    server = LocalServer()
    # Handlers run last in, first out: registered before Prefect is imported, this runs after Prefect has sent the
    # last logs and events. Without a server to send them to it would wait for a minute.
    atexit.register(server.close)
    os.environ["PREFECT_API_URL"] = server.url
    # It has no pages that the log could lead to, and it ends with the command.
    os.environ.setdefault("PREFECT_UI_URL", "")
    return lambda: _wait_and_keep(server)


def _wait_and_keep(server: LocalServer) -> None:
    from driftgate.process import abort

    server.wait()
    server.keep(abort)


def prefect_variables(home: Path, api: str | None) -> dict[str, str]:
    """Variables of Prefect for whoever uses a server: those that the environment sets, and the rest.

    The server of `driftgate up` asks for a login: else any user of this machine could have its worker run programs.

    Args:
        home: DRIFTGATE_HOME.
        api: address of the API of `driftgate up`; None for a server that the environment names.

    Raises:
        OutputError: the file of the login cannot be written.
    """
    ours = {"PREFECT_API_URL": api, "PREFECT_UI_URL": api.removesuffix("/api")} if api else {}
    if api:
        ours |= dict.fromkeys((_LOGIN, "PREFECT_SERVER_API_AUTH_STRING"), login(home))
    return {
        "PREFECT_HOME": os.environ.get("PREFECT_HOME", str(home / "prefect")),
        "PREFECT_SERVER_ANALYTICS_ENABLED": os.environ.get("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
        **ours,
    }


def login(home: Path) -> str:
    """What the server of `driftgate up` asks for: a name and a password with a colon between them.

    That of PREFECT_API_AUTH_STRING, else one of this home, made at the first call.

    Raises:
        OutputError: its file cannot be written.
    """
    from driftgate.errors import OutputError
    from driftgate.files import make_home, replace_file

    if given := os.environ.get(_LOGIN):
        return given
    path = login_file(home)
    try:
        if not path.is_file():
            make_home(home)
            replace_file(path, f"driftgate:{secrets.token_urlsafe()}\n", 0o600)
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise OutputError(f"{path} cannot be used: {error.strerror}", remedy="set DRIFTGATE_HOME") from error


def login_place(home: Path) -> str:
    """Where a person finds the login, in words: the variable that gives it, or its file."""
    return _LOGIN if os.environ.get(_LOGIN) else str(login_file(home))


def login_file(home: Path) -> Path:
    """Where the login of a home is; this user alone may read it."""
    return home / "prefect.login"


def server_of_up(home: Path) -> str | None:
    """The address of the API of a running `driftgate up`; None where none answers.

    One that starts is waited for, because two servers on one history would be in each other's way.
    """
    from driftgate.supervision.part import answers
    from driftgate.supervision.state import PartState, read_status

    deadline = time.monotonic() + _STARTUP_SECONDS
    while (status := read_status(home)) is not None and status.prefect_api:
        part = status.part("prefect")
        if answers(f"{status.prefect_api}/health") is not None:
            return status.prefect_api
        if part is None or part.state is not PartState.STARTING or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return None


def watch_up(home: Path, api: str) -> bool:
    """Where a Prefect server is that of `driftgate up`, end this process, from a thread, when that ends before it.

    Prefect would try each request for a minute, and end in its own traceback.

    Returns:
        Whether it is that server.
    """
    from driftgate.process import abort
    from driftgate.supervision.state import read_status

    def is_there() -> bool:
        status = read_status(home)
        return status is not None and status.prefect_api == api

    def watch() -> None:
        while is_there():
            time.sleep(_LOOK_SECONDS)
        abort(_up_ended())

    of_up = is_there()
    if of_up:
        threading.Thread(target=watch, name="up", daemon=True).start()
    return of_up


def _up_ended() -> Exception:
    from driftgate.errors import DriftgateError

    return DriftgateError("`driftgate up` ended, and with it the Prefect server of this command", remedy=_AGAIN)


def require_server(url: str, *, of_up: bool = False) -> None:
    """Check that something answers at PREFECT_API_URL; Prefect itself would try for minutes.

    Args:
        url: what the variable says.
        of_up: whether it is the server of `driftgate up`, which its user need not have set.

    Raises:
        ConfigurationError: nothing does.
        DriftgateError: nothing does, because `driftgate up` ends.
    """
    from driftgate.errors import ConfigurationError

    try:
        urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=10).close()
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError) as error:
        if of_up:
            raise _up_ended() from error
        raise ConfigurationError(
            f"no Prefect server answers at PREFECT_API_URL={url}: {error}",
            remedy="start that server, or unset PREFECT_API_URL to use one that starts by itself",
        ) from error


def _failed(what: str) -> Exception:
    from driftgate.errors import DriftgateError

    return DriftgateError(
        f"the local Prefect server {what}",
        remedy="see its message above; if its history is damaged, set DRIFTGATE_HOME to a new folder",
    )


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
