"""Serve the Evidently UI over the workspace, and the report files below /reports: `python -m services.evidently.serve`.

It reads both folders and writes to neither: who may see the page may not delete what is on it. Nothing here reports to
anyone, and nothing is fetched from elsewhere.
"""

import argparse
import os
import secrets
from pathlib import Path
from typing import Any

from driftgate.hosts import OwnHosts, host_names
from driftgate.settings import Settings

_MOST_PATH_BYTES, _MOST_NAME_BYTES = 2000, 255


class PossiblePaths:
    """ASGI middleware that answers 404 to a path that no file can have, on which what serves files fails with 500."""

    def __init__(self, app: Any) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand one request on, or answer that nothing is there."""
        if scope["type"] != "http" or _is_possible(scope["path"]):
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"nothing is there"})


def _is_possible(path: str) -> bool:
    names = path.encode(errors="surrogatepass").split(b"/")
    longest = max(len(name) for name in names)
    return "\0" not in path and longest <= _MOST_NAME_BYTES and sum(map(len, names)) <= _MOST_PATH_BYTES


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on")
    given = parser.parse_args()
    settings = Settings.load()
    app = create_app(settings.evidently_workspace, settings.report_dir)
    import uvicorn

    app = OwnHosts(PossiblePaths(app), host_names(f"{settings.driftgate_hosts},{given.host}"))
    uvicorn.run(app, host=given.host, port=given.port, log_level="warning")


def create_app(workspace: Path, report_dir: Path) -> Any:
    """The Evidently UI as an ASGI application, with `report_dir` below /reports.

    Args:
        workspace: folder of the Evidently workspace; made where it is missing.
        report_dir: folder of the HTML and JSON reports and their index; made where it is missing.
    """
    # Evidently sends events to its makers unless this is set, and reads it at import.
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently.ui.service.app import create_app as create_ui  # noqa: TID251
    from evidently.ui.service.app import get_config  # noqa: TID251
    from litestar.static_files import create_static_files_router

    for folder in (workspace, report_dir):
        folder.mkdir(parents=True, exist_ok=True)
    # Whoever writes must give this, which nobody knows.
    app = create_ui(get_config(workspace=str(workspace), secret=secrets.token_urlsafe()))
    app.register(create_static_files_router("/reports", directories=[report_dir], html_mode=True))
    return app


if __name__ == "__main__":
    main()
