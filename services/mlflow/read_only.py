"""What MLflow's server answers here: the requests by which its pages show experiments, runs and models, and no other.

MLflow's application can do far more: take files, hand out those beside a model, call other servers, and run programs
for its assistant, all without a login. So what is not in this list is refused, whatever a later release adds.
"""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

REFUSED = "this server shows experiments, runs and models, and neither changes them nor gives out their files"
"""What is answered with 403."""

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_API = re.compile(r"/(?:ajax-)?api/([23]\.0)/mlflow/(.+)")
_PAGES = frozenset(("/", "/health", "/version"))
_READ = frozenset(
    (
        "2.0 artifacts/list",
        "2.0 experiments/get",
        "2.0 experiments/get-by-name",
        "2.0 experiments/search",
        "2.0 metrics/get-history",
        "2.0 metrics/get-history-bulk",
        "2.0 metrics/get-history-bulk-interval",
        "2.0 model-versions/get",
        "2.0 model-versions/search",
        "2.0 registered-models/alias",
        "2.0 registered-models/get",
        "2.0 registered-models/get-latest-versions",
        "2.0 registered-models/search",
        "2.0 runs/get",
        "3.0 server-info",
    )
)
# Questions that are too long for an address.
_ASKED = frozenset(
    (
        "2.0 experiments/search",
        "2.0 experiments/search-datasets",
        "2.0 logged-models/search",
        "2.0 registered-models/get-latest-versions",
        "2.0 runs/search",
        "3.0 datasets/search",
        "3.0 traces/search",
    )
)


def is_shown(method: str, path: str) -> bool:
    """Whether a request only shows what was trained.

    Args:
        method: such as GET.
        path: decoded, without a query.
    """
    if path == "/graphql":
        # It has queries alone, and the page of a run asks by it.
        return method == "POST"
    if method in ("GET", "HEAD") and (path in _PAGES or path.startswith("/static-files/")):
        return ".." not in path.split("/")
    found = _API.fullmatch(path)
    if found is None:
        return False
    allowed = {"GET": _READ, "HEAD": _READ, "POST": _ASKED}.get(method, frozenset())
    return " ".join(found.groups()) in allowed


class ReadOnly:
    """ASGI middleware that answers 403 to whatever `is_shown` does not name, and opens no WebSocket."""

    def __init__(self, app: Any) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Hand one request on, or refuse it."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and is_shown(scope["method"], scope["path"])):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps({"detail": REFUSED}).encode()})
