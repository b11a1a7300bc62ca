"""HTTP/1.1 as uvicorn speaks it, with bounds on what comes before the application sees a request.

uvicorn's own protocol keeps as many headers as arrive, of any size, for as long as a caller takes.
"""

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.api.json_log import new_id, request_id
from services.api.metrics import UNMATCHED, Metrics
from services.api.problems import MEDIA_TYPE, problem

STATE = "bounds"
"""Name in the state of the application's lifespan under which the bounds are found."""

_LINGER_SECONDS = 1.0


@dataclass(frozen=True)
class Bounds:
    """What one request's head may be.

    Attributes:
        head_bytes: of the request line and all headers together, trailers included.
        headers: how many there may be.
        head_seconds: from the connection, or the first byte of a further request, to the end of the headers.
        metrics: count what is refused here.
    """

    head_bytes: int
    headers: int
    head_seconds: float
    metrics: Metrics


class BoundedProtocol(HttpToolsProtocol):
    """One connection. The bounds come from the application, see `STATE`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As uvicorn calls it."""
        super().__init__(*arguments, **named)
        self._bounds: Bounds = self.app_state[STATE]
        self._in_head = True
        self._head_bytes = 0
        # Bytes since the parser last handed a head, a piece of a body or the end of one over.
        self._unparsed = 0
        self._refused = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The time for the first head begins."""
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._forget_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse in pieces, so that no header is kept that has already outgrown its bound."""
        size = self._bounds.head_bytes
        for start in range(0, len(data), size):
            if self._refused or self.transport.is_closing():
                return
            piece = data[start : start + size]
            self._unparsed += len(piece)
            super().data_received(piece)
            if self._unparsed > size:
                self._refuse(431, f"the request's headers are larger than {size} bytes")
        if self._in_head and self._unparsed and not self._refused:
            self._watch_head()

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer."""
        super().on_header(name, value)
        self._count(len(name) + len(value))
        if len(self.headers) > self._bounds.headers:
            self._refuse(431, f"the request has more than {self._bounds.headers} headers")

    def on_headers_complete(self) -> None:
        """The head is whole; the application gets the request, unless it was refused."""
        if self._refused:
            return
        self._in_head, self._unparsed = False, 0
        self._forget_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body, which the application bounds."""
        if self._refused:
            return
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next byte belongs to another request's head."""
        if self._refused:
            return
        super().on_message_complete()
        self._in_head, self._head_bytes, self._unparsed = True, 0, 0

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets the answer that every error gets."""
        self._refuse(400, msg)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._bounds.head_bytes:
            self._refuse(431, f"the request's headers are larger than {self._bounds.head_bytes} bytes")

    def _watch_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._bounds.head_seconds, self._head_is_late)

    def _forget_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # It waits behind a request that is being answered.
            self._watch_head()
        elif self._unparsed:
            self._refuse(408, f"the request's headers did not arrive within {self._bounds.head_seconds:g} s")
        elif self.timeout_keep_alive_task is None:
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer, unless another answer is under way, and close the connection."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._forget_head_timer()
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()
            return
        self._unset_keepalive_if_required()
        identity = str(new_id())
        request_id.set(identity)
        self._bounds.metrics.observe(UNMATCHED, "OTHER", status, 0.0)
        self.transport.write(_answer(status, detail, identity))
        # Closed at once, the kernel would take the answer back from a caller that is still sending.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)


def _answer(status: int, detail: str, identity: str) -> bytes:
    body = json.dumps(problem(status, detail)).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\nx-request-id: {identity}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
