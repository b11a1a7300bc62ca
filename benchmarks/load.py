"""A light load generator: a fixed number of clients that each ask, wait for the answer, and ask again.

    python -m benchmarks.load PORT CLIENTS SECONDS IDS_FILE

One thread, plain sockets that stay open, requests made beforehand: it takes some thirty microseconds a request, so
that on two cores it does not measure itself. Prints one JSON object.
"""

import json
import selectors
import socket
import sys
import time
from pathlib import Path

WARM_UP_SECONDS = 1.0


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0.0
        self.received = b""

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self.received = b""
        self.sent = time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> int:
        """Take what has arrived: the status once the answer is whole, else 0."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("the server closed the connection")
        self.received += part
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank:
            return 0
        at = head.lower().index(b"content-length:") + 15
        wanted = int(head[at:].split(b"\r\n", 1)[0])
        return int(head[9:12]) if len(body) >= wanted else 0


def requests_for(ids: list[str]) -> list[bytes]:
    """POST /predict for each id."""
    made = []
    for item in ids:
        body = json.dumps({"user_id": item}).encode()
        head = [
            "POST /predict HTTP/1.1",
            "Host: bench",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        made.append("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    return made


def run(port: int, clients: int, seconds: float, ids: list[str]) -> dict[str, float]:
    """Load for so many seconds after a warm-up; latencies in milliseconds."""
    requests = requests_for(ids)
    selector = selectors.DefaultSelector()
    number = 0
    for _ in range(clients):
        client = Client(port)
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.ask(requests[number % len(requests)])
        number += 1
    begin = time.perf_counter() + min(WARM_UP_SECONDS, seconds)
    end = begin + seconds
    latencies: list[float] = []
    failed = 0
    while time.perf_counter() < end:
        for key, _ in selector.select(1.0):
            client = key.data
            status = client.read()
            if not status:
                continue
            now = time.perf_counter()
            if now >= begin:
                latencies.append(now - client.sent)
                failed += status != 200
            client.ask(requests[number % len(requests)])
            number += 1
    latencies.sort()
    count = len(latencies)
    return {
        "clients": clients,
        "requests": count,
        "failed": failed,
        "per_second": count / seconds,
        "p50_ms": 1000 * latencies[count // 2],
        "p99_ms": 1000 * latencies[min(count - 1, int(count * 0.99))],
        "max_ms": 1000 * latencies[-1],
    }


if __name__ == "__main__":
    port, clients, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(json.dumps(run(port, clients, seconds, Path(sys.argv[4]).read_text().split())))
