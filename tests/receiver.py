"""A real HTTP receiver of messages on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What came.

    Attributes:
        address: of notify, whose path holds a secret.
        status: that the next messages are answered with.
        messages: their bodies, in the order in which they came.
        paths: where they were sent to.
        logins: the Authorization of each.
        answer: what each is answered with.
    """

    port: int
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    answer: bytes = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/hooks/T0psecret"

    @property
    def texts(self) -> list[str]:
        return [message["message"] for message in self.messages]

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.paths.append(self.path)
            found.messages.append(json.loads(body))
            self.send_response(found.status)
            found.logins.append(self.headers.get("Authorization", ""))
            self.send_header("Content-Length", str(len(found.answer)))
            self.end_headers()
            self.wfile.write(found.answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Receiver(int(server.server_address[1]))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()
