"""The one module that imports apprise: a message to the addresses that `notify` of a monitor names.

An address usually holds a secret. So no error, and no log line of Apprise, leaves this module as it came.
"""

import io
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

from driftgate.errors import ConfigurationError, DriftgateError
from driftgate.monitors import Monitor

if TYPE_CHECKING:
    import apprise

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# What an address is made of; shorter pieces, such as a port, say nothing.
_PIECE = re.compile(r"[^/:@?&=#,\s]{4,}")
_MOST_CHARS = 500


def require_addresses(monitor: Monitor, environment: Mapping[str, str] = os.environ) -> None:
    """Check that a message could be sent to every address; nothing is sent.

    Raises:
        ConfigurationError: a variable is not set, or Apprise does not know an address; none is shown.
    """
    if monitor.notify:
        _open(monitor.name, _addresses(monitor, environment))


def send(monitor: Monitor, title: str, text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send a message to every address; one that fails is no matter of the others.

    Raises:
        ConfigurationError: as `require_addresses`; nothing was sent.
        DriftgateError: an address did not take it; the reason is given without what the address holds.
    """
    if not monitor.notify:
        return
    addresses = _addresses(monitor, environment)
    failures = []
    for position, (address, sender) in enumerate(zip(addresses, _open(monitor.name, addresses), strict=True), 1):
        with _log() as said:
            taken = sender.notify(body=text, title=title)
        if not taken:
            reason = _without(said.getvalue(), _secrets(address))
            failures.append(f"number {position} ({_scheme(address)}): {reason or 'no reason was given'}")
    if failures:
        raise DriftgateError(
            f"{len(failures)} of {len(addresses)} addresses of notify did not take the message: {'; '.join(failures)}",
            remedy="correct that address in monitors.toml or its variable; the message is not sent again",
        )


def _addresses(monitor: Monitor, environment: Mapping[str, str]) -> list[str]:
    """The addresses with their variables filled in."""
    written = [address.get_secret_value() for address in monitor.notify]
    names = {name for address in written for name in _VARIABLE.findall(address)}
    missing = sorted(name for name in names if not environment.get(name))
    if missing:
        raise ConfigurationError(
            f"notify of monitor {monitor.name!r} needs environment variables that are not set: {', '.join(missing)}",
            remedy="set them for whoever runs the monitor, the worker included, or take those addresses out",
        )
    return [_VARIABLE.sub(lambda found: environment[found[1]], address) for address in written]


def _open(monitor: str, addresses: Sequence[str]) -> "list[apprise.NotifyBase]":
    import apprise

    with _log():
        senders = [apprise.Apprise.instantiate(address, suppress_exceptions=True) for address in addresses]
    unknown = [str(position) for position, sender in enumerate(senders, 1) if not sender]
    if unknown:
        raise ConfigurationError(
            f"notify of monitor {monitor!r}: Apprise cannot read address number {', '.join(unknown)}",
            allowed="an address as Apprise has it, such as slack://TOKEN_A/TOKEN_B/TOKEN_C or json://HOST/PATH",
            remedy="correct it; https://github.com/caronc/apprise/wiki lists the forms",
        )
    return senders


@contextmanager
def _log() -> Iterator[io.StringIO]:
    """Keep what Apprise says meanwhile, in place of its being printed: it names addresses."""
    said = io.StringIO()
    logger, handler = logging.getLogger("apprise"), logging.StreamHandler(said)
    before = logger.propagate, logger.handlers, logger.level
    logger.propagate, logger.handlers = False, [handler]
    logger.setLevel(logging.WARNING)
    try:
        yield said
    finally:
        logger.propagate, logger.handlers = before[0], before[1]
        logger.setLevel(before[2])


def _secrets(address: str) -> set[str]:
    """Every piece of an address after its scheme, as it is written and as it is decoded."""
    rest = address.partition("://")[2]
    pieces = {*_PIECE.findall(rest), rest, address}
    return pieces | {unquote(piece) for piece in pieces}


def _without(text: str, secrets: Iterable[str]) -> str:
    """The text on one line, with every secret struck out, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join(text.split())[:_MOST_CHARS]


def _scheme(address: str) -> str:
    return address.partition("://")[0][:20] if "://" in address else "no scheme"
