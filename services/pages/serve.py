"""Serve the folder of reports, and nothing else: `python -m services.pages.serve [--host] [--port] ...`.

Its pages open from the folder as well; this gives them an address, for messages, and for a browser behind a tunnel.
"""

import argparse
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from driftgate.errors import UsageError
from driftgate.hosts import REFUSED, host_names, is_for_us
from driftgate.process import end_on_signals, leave

_NOTHING_YET = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>Driftgate</title>"
    b"<p>There is no verdict yet. Load months and run <code>driftgate monitor</code>; this page is the overview then."
)


class PagesHandler(SimpleHTTPRequestHandler):
    """Answers with a file below the folder, to who asks this machine by its own name."""

    server_version = "driftgate"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 30
    names: frozenset[str] = frozenset()

    def end_headers(self) -> None:
        """Add what a browser should not guess, and have it ask again after each run."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def send_head(self) -> Any:
        """Refuse what is no page; a folder is its index, and nobody sees a list of files."""
        # A page elsewhere could otherwise read the reports by a name of its own that leads here.
        if not is_for_us(self.headers.get_all("Host", []), self.names):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, REFUSED)
            return None
        path = unquote(urlsplit(self.path).path)
        # No file has a NUL in its name.
        if "\0" in path or any(part.startswith(".") for part in path.split("/")):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        if path == "/" and not Path(self.directory, "index.html").is_file():
            return self._nothing_yet()
        return super().send_head()

    def list_directory(self, path: Any) -> None:  # noqa: ARG002
        """A folder without an index has no page."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing of single requests."""

    def _nothing_yet(self) -> Any:
        from io import BytesIO

        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_NOTHING_YET)))
        self.end_headers()
        return BytesIO(_NOTHING_YET)


def make_server(folder: Path, host: str, port: int, hosts: str = "") -> ThreadingHTTPServer:
    """A server of the folder, which may not be there yet; `serve_forever` begins. `hosts` is DRIFTGATE_HOSTS."""

    class Handler(PagesHandler):
        names = host_names(f"{hosts},{host}")

    server = ThreadingHTTPServer((host, port), partial(Handler, directory=str(folder)))
    server.daemon_threads = True
    return server


def _settings() -> tuple[Path, str]:
    # Imported late: it takes twice the memory of all the rest.
    from driftgate.settings import Settings

    settings = Settings.load()
    return settings.report_dir, settings.driftgate_hosts


def main() -> NoReturn:
    """Serve until told to stop."""
    end_on_signals(keep_logging=True)
    parser = argparse.ArgumentParser(prog="python -m services.pages.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8002, help="port to listen on")
    parser.add_argument("--folder", type=Path, help="folder of the reports; by default REPORT_DIR")
    parser.add_argument("--hosts", default="", help="names that lead here as well; without --folder DRIFTGATE_HOSTS")
    given = parser.parse_args()
    folder, hosts = (given.folder, given.hosts) if given.folder else _settings()
    try:
        with make_server(folder, given.host, given.port, hosts) as server:
            server.serve_forever()
    except (OSError, OverflowError) as error:
        reason = f"nothing can listen on {given.host}:{given.port}: {getattr(error, 'strerror', None) or error}"
        found = UsageError(reason, remedy="choose another --port or --host, or end what listens there")
        print(f"{type(found).__name__}: {found}", file=sys.stderr)
        leave(found.exit_code)
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 1)
    leave(0)


if __name__ == "__main__":
    main()
