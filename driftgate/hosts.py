"""Which names a server of ours answers to: an address, `localhost`, and what DRIFTGATE_HOSTS adds.

Anyone can give a name of their own the address of this machine. A page that a browser loaded by such a name could read
every server here, without a login, as if it were its own (DNS rebinding); but what it asks carries its name in `Host`.
An address is no name, and a request without `Host` comes from no browser.
"""

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

REFUSED = "this server does not answer to that name: ask for 127.0.0.1 or localhost, or add the name to DRIFTGATE_HOSTS"
"""What is answered with 421."""

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


def host_names(text: str) -> frozenset[str]:
    """The names in a list with commas between them, as DRIFTGATE_HOSTS has it."""
    return frozenset(_without_port(name.strip().lower()) for name in text.split(",") if name.strip())


def is_own_host(host: str, names: Collection[str] = ()) -> bool:
    """Whether a request is for this server.

    Args:
        host: the header `Host`, with a port or without; empty where there is none.
        names: that lead here as well, in small letters.
    """
    given = host.strip().lower()
    name = _without_port(given)
    if not given or name == "localhost" or name in names:
        return True
    # What follows % names an interface, and may be any text; no browser sends it.
    with suppress(ValueError):
        return "%" not in name and bool(ip_address(name.strip("[]")))
    return False


def is_for_us(hosts: Sequence[str], names: Collection[str] = ()) -> bool:
    """Whether a request is for this server by all its headers `Host`: of several, a proxy may have read another one."""
    return len(hosts) <= 1 and all(is_own_host(host, names) for host in hosts)


def _without_port(host: str) -> str:
    # The colons of an IPv6 address stand in brackets.
    name, colon, port = host.rpartition(":")
    if colon and name and (port.isdecimal() or not port):
        host = name
    return host.rstrip(".")


def hosts_of(headers: Collection[tuple[bytes, bytes]]) -> list[str]:
    """The headers `Host` of an ASGI request, of which there is one at the most where nobody plays tricks."""
    return [value.decode("latin-1") for name, value in headers if name == b"host"]


class OwnHosts:
    """ASGI middleware that answers 421 to what is asked by another name, also where a WebSocket is."""

    def __init__(self, app: Any, names: Collection[str] = ()) -> None:
        """Wrap an application; `names` lead here as well."""
        self._app = app
        self._names = names

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Hand one request on, or refuse it."""
        if scope["type"] == "lifespan" or is_for_us(hosts_of(scope["headers"]), self._names):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Closed before it is accepted: the server answers 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 421, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps({"detail": REFUSED}).encode()})
