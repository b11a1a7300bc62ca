"""Prints the alerts that Alertmanager sends, one line each: where to read them while no other address is set."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MAX_BODY_BYTES = 4 * 1024 * 1024


def lines(message: dict[str, Any]) -> Iterator[str]:
    """One line for each alert of an Alertmanager webhook message.

    >>> alert = {"status": "firing", "labels": {"alertname": "ApiDown", "severity": "critical"}, "annotations": {}}
    >>> list(lines({"alerts": [alert]}))
    ['firing ApiDown critical: ']
    """
    for alert in message["alerts"]:
        labels = alert["labels"]
        summary = alert["annotations"].get("summary", "")
        yield f"{alert['status']} {labels['alertname']} {labels.get('severity', 'none')}: {summary}"


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        """Say that the process lives."""
        self._answer(200)

    def do_POST(self) -> None:
        """Print the alerts; refuse what is no Alertmanager message."""
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= _MAX_BODY_BYTES:
                return self._answer(413)
            texts = list(lines(json.loads(self.rfile.read(length))))
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._answer(400)
        for text in texts:
            # Escaped, so that nobody who can raise an alert can write lines of their own.
            print(text.encode("unicode_escape").decode("ascii"), flush=True)
        return self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Requests are not logged: only alerts are worth a line."""


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ThreadingHTTPServer((arguments.host, arguments.port), _Handler) as server:
        print(f"waiting for alerts on port {server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
