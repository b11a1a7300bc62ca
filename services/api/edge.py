"""The outermost layer: request ids, names, bounds on the body, metrics and the access log, on every path and status."""

import asyncio
import logging
import re
import time
from collections.abc import Collection, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driftgate.hosts import REFUSED, hosts_of, is_for_us
from services.api.json_log import ACCESS, new_id, request_id
from services.api.metrics import UNMATCHED, Metrics
from services.api.problems import Problem, problem_response

_log = logging.getLogger(ACCESS)
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class Edge:
    """ASGI middleware around all routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        templates: Mapping[Any, str],
        max_body_bytes: int,
        body_seconds: float,
        access_log: bool,
        hosts: Collection[str] = (),
    ) -> None:
        """Wrap an application.

        Args:
            templates: route template by endpoint, for those that the router does not name.
            max_body_bytes: counted as the body arrives, whatever its header says.
            body_seconds: in which the whole body must arrive.
            hosts: names that lead here, beside this machine's own and any address.
        """
        self._app = app
        self._metrics = metrics
        self._templates = templates
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds
        self._access_log = access_log
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        identity = _request_id(scope)
        request_id.set(identity)
        answer = _Answer(send, identity)
        self._metrics.in_flight.inc()
        try:
            await self._own(scope)(scope, self._bounded(scope, receive), answer.send)
        except Exception:
            logging.getLogger("services.api").exception("a request failed")
            if not answer.status:
                await problem_response(500, "a fault in the API; its log has more under this request id")(
                    scope, receive, answer.send
                )
        finally:
            self._metrics.in_flight.dec()
            seconds = time.perf_counter() - started
            route = self._template(scope)
            # 499 as nginx has it: cut off before there was an answer.
            status = answer.status or 499
            self._metrics.observe(route, scope["method"], status, seconds)
            if self._access_log:
                extra = {"route": route, "method": scope["method"][:16], "status": status, "seconds": round(seconds, 6)}
                _log.info("answered", extra=extra)

    def _own(self, scope: Scope) -> ASGIApp:
        """What answers: the application, to who asks for this machine."""
        if is_for_us(hosts_of(scope["headers"]), self._hosts):
            return self._app
        return problem_response(421, REFUSED, {"Connection": "close"})

    def _template(self, scope: Scope) -> str:
        route = getattr(scope.get("route"), "path", None)
        return route or self._templates.get(scope.get("endpoint"), UNMATCHED)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        left = self._max_body_bytes
        deadline = time.monotonic() + self._body_seconds

        async def bounded() -> Message:
            nonlocal left
            if _declared_length(scope) > self._max_body_bytes:
                raise self._too_large()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    message = await receive()
            except TimeoutError as error:
                raise Problem(408, "the body did not arrive in time", {"Connection": "close"}) from error
            left -= len(message.get("body", b""))
            if left < 0:
                raise self._too_large()
            return message

        return bounded

    def _too_large(self) -> Problem:
        detail = f"the body is larger than {self._max_body_bytes} bytes; send fewer user ids at once"
        return Problem(413, detail, {"Connection": "close"})


class _Answer:
    """Puts the request id on the answer, and remembers its status."""

    def __init__(self, send: Send, identity: str) -> None:
        self.status = 0
        self._send = send
        self._identity = identity.encode()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", []), (b"x-request-id", self._identity)]
        await self._send(message)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return str(value.decode())
    return str(new_id())


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:18])
    return 0
