"""What a supervisor runs: a program with its address, and when it is to run."""

import json
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_ANSWER_SECONDS = 2.0

HOST = "127.0.0.1"
"""The only address that parts listen on."""


@dataclass(frozen=True)
class Port:
    """Where a part listens.

    Attributes:
        number: of the port.
        setting: the environment variable that changes it.
    """

    number: int
    setting: str

    @property
    def address(self) -> str:
        """As a browser takes it."""
        return f"http://{HOST}:{self.number}"


@dataclass(frozen=True)
class Part:
    """One program.

    Attributes:
        name: for commands.
        title: for people.
        about: what is there, in a few words.
        command: of the program, which runs until it is told to end.
        first: a command that runs to its end before each start, or nothing.
        lender: socket of a process that may lend a fork for a command that `python` made, see `driftgate.warm`.
        environment: variables beside those of the supervisor.
        port: where it listens; None where it does not.
        page: path of the page that people open, after the port's address.
        ready: whether it can do its work; asked until it is.
        waits_for: why it is not to run yet; empty where it is. May raise a DriftgateError, which is why then.
        needs: names of the parts that run before it starts.
        after: names of parts that it waits for while they start, and does without where they fail.
    """

    name: str
    title: str
    about: str
    command: tuple[str, ...]
    first: tuple[str, ...] = ()
    lender: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    port: Port | None = None
    page: str = ""
    ready: Callable[[], bool] = lambda: True
    waits_for: Callable[[], str] = lambda: ""
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The page that people open; empty where there is none."""
        return f"{self.port.address}{self.page}" if self.port else ""


def is_up(url: str) -> bool:
    """Whether what is asked has come to an end of its start: it answers, or says that it does not start any more.

    Args:
        url: on this machine; its 503 has a JSON body with a boolean `starting`.
    """
    try:
        urllib.request.urlopen(url, timeout=_ANSWER_SECONDS).close()
        return True
    except urllib.error.HTTPError as error:
        with error, suppress(ValueError, AttributeError):
            return json.loads(error.read()).get("starting") is False
        return False
    except (OSError, ValueError):
        return False


def answers(url: str, *, body: bytes | None = None, login: str = "") -> bytes | None:
    """What a part answers to a request; None where it does not, or with an error.

    Args:
        url: on this machine.
        body: JSON that is posted; without it the request is a GET.
        login: user and password with a colon between them, where the part asks for them.
    """
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if login:
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            content: bytes = answer.read()
            return content
    except (OSError, ValueError):
        return None
