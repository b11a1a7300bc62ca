"""Serve the Evidently UI over the workspace, and the report files below /reports: `python -m services.evidently.serve`.

It reads both folders and writes to neither: who may see the page may not delete what is on it. Nothing here reports to
anyone, and nothing is fetched from elsewhere. With `--lend` the commands of this user draw their reports in forks of
it, because it has Evidently imported already.
"""

import argparse
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

from driftgate.drift.worker import ADAPTER
from driftgate.features.worker import ANSWERS
from driftgate.process import end_with_parent
from driftgate.settings import Settings
from driftgate.warm import AVAILABLE, Lender, evidently_socket
from driftgate.worker import serve


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on")
    parser.add_argument("--lend", action="store_true", help="lend forks to commands of the same DRIFTGATE_HOME")
    given = parser.parse_args()
    settings = Settings.load()
    if given.lend and AVAILABLE:
        sys.exit(_serve_and_lend(settings, given.host, given.port))
    _serve_ui(settings, given.host, given.port)


def _serve_ui(settings: Settings, host: str, port: int) -> None:
    import uvicorn

    app = create_app(settings.evidently_workspace, settings.report_dir)
    uvicorn.run(app, host=host, port=port, log_level="warning")


def _serve_and_lend(settings: Settings, host: str, port: int) -> int:
    """Serve the page from a fork, which may have threads, and fork for commands; returns when the page's fork ends."""
    os.environ["DO_NOT_TRACK"] = "1"
    settings.driftgate_home.mkdir(parents=True, exist_ok=True)
    # What asks the database for kept months needs a part of the same packages.
    lender = Lender(evidently_socket(settings.driftgate_home), (ADAPTER, ANSWERS))
    lives, ends = os.pipe()
    page = os.fork()
    if page == 0:
        os.close(lives)
        lender.listener.close()
        end_with_parent(os.getppid(), lambda: os._exit(1))
        _serve_ui(settings, host, port)
        os._exit(0)
    os.close(ends)
    # Its end ends this process as well.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(page, signal.SIGTERM))
    try:
        lender.run(lives, serve)
    finally:
        lender.close()
    return abs(os.waitstatus_to_exitcode(os.waitpid(page, 0)[1]))


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
