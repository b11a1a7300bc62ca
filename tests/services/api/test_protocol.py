"""The head of a request: of what size it may be, how many headers it may have, and how long it may take."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.services.api.conftest import Month, live, make_service
from tests.services.api.test_metrics import labels, scrape

SECONDS = 1.0
REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def client(month: Month) -> Iterator[httpx.Client]:
    """A server that allows what is the default, but for the time."""
    with live(make_service(month, month.versions(), header_seconds=SECONDS)) as client:
        yield client


@pytest.fixture
def talk(client: httpx.Client) -> Iterator[Callable[..., bytes]]:
    """Send pieces on one connection, as many as are taken, and return all that comes back until it is closed."""

    def run(*pieces: bytes, pause: float = 0.0) -> bytes:
        received = b""
        with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=20) as caller:
            try:
                for piece in pieces:
                    caller.sendall(piece)
                    time.sleep(pause)
            except OSError:
                pass
            try:
                while part := caller.recv(65536):
                    received += part
            except ConnectionResetError:
                pass
        return received

    yield run


def refusal(received: bytes, status: int) -> dict[str, object]:
    """The problem detail of an answer, after which the connection was closed."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), received[:300]
    assert b"content-type: application/problem+json" in head and b"connection: close" in head
    found = json.loads(body)
    assert found["status"] == status and f"x-request-id: {found['request_id']}".encode() in head
    return found


def endless(piece: bytes, megabytes: int = 100) -> list[bytes]:
    return [piece * (1_000_000 // len(piece))] * megabytes


@pytest.mark.parametrize(
    "piece",
    [b"x", b"x-a: " + b"y" * 500 + b"\r\n", b"a: b\r\n"],
    ids=["one header without an end", "many headers", "many small headers"],
)
def test_a_hundred_megabytes_of_headers_are_not_taken(
    client: httpx.Client, talk: Callable[..., bytes], piece: bytes
) -> None:
    before = scrape(client)
    detail = refusal(talk(REQUEST + b"x-first: ", *endless(piece)), 431)["detail"]
    assert re.search("larger than 32768 bytes|more than 100 headers", str(detail))
    after = scrape(client)
    where = ("api_requests_total", labels("unmatched", "OTHER", 431))
    assert after[where] - before.get(where, 0) == 1
    assert after["process_resident_memory_bytes", ()] - before["process_resident_memory_bytes", ()] < 20e6


def test_a_long_address_is_refused(talk: Callable[..., bytes]) -> None:
    refusal(talk(b"GET /", *endless(b"a")), 431)


@pytest.mark.parametrize(("size", "status"), [(30_000, 200), (33_000, 431), (60_000, 431)])
def test_the_bound_holds_for_headers_that_come_whole(client: httpx.Client, size: int, status: int) -> None:
    assert client.get("/health", headers={"x-large": "y" * size}).status_code == status


@pytest.mark.parametrize(("count", "status"), [(90, 200), (120, 431)])
def test_the_number_of_headers_is_bounded(client: httpx.Client, count: int, status: int) -> None:
    answer = client.get("/health", headers=[(f"x-{number}", "y") for number in range(count)])
    assert answer.status_code == status


@pytest.mark.parametrize("piece", [b"x-a: b\r\n", b"", b"\r\n"], ids=["a trickle", "silence", "empty lines"])
def test_unfinished_headers_are_given_up(talk: Callable[..., bytes], piece: bytes) -> None:
    started = time.monotonic()
    first = b"" if piece == b"\r\n" else REQUEST
    refusal(talk(first, *[piece] * 20, pause=0.1), 408)
    assert time.monotonic() - started < SECONDS + 2.5


def test_a_caller_who_says_nothing_is_let_go(talk: Callable[..., bytes]) -> None:
    started = time.monotonic()
    assert talk() == b""
    assert SECONDS - 0.2 < time.monotonic() - started < SECONDS + 2


def test_unfinished_headers_of_a_second_request_are_given_up(talk: Callable[..., bytes]) -> None:
    first, _, second = talk(REQUEST + b"\r\n", REQUEST, pause=0.3).partition(b'{"status":"alive"}')
    assert first.startswith(b"HTTP/1.1 200 ")
    refusal(second, 408)


def test_a_connection_that_rests_between_requests_is_kept(client: httpx.Client) -> None:
    with httpx.Client(base_url=client.base_url, timeout=60) as own:
        for _ in range(3):
            answer = own.get("/health")
            assert answer.status_code == 200
            assert len(own._transport._pool.connections) == 1
            time.sleep(SECONDS * 1.3)
        [connection] = own._transport._pool.connections
        assert not connection.has_expired()


CHUNKED = "\r\n".join(
    [
        "POST /predict HTTP/1.1",
        "Host: localhost",
        "content-type: application/json",
        "transfer-encoding: chunked",
        "",
        "1",
        "{",
        "",
    ]
).encode()


@pytest.mark.parametrize("start", [b"1;", b"0\r\nx-trailer: "], ids=["an extension of a chunk", "a trailer"])
def test_what_comes_with_a_body_is_bounded_too(client: httpx.Client, talk: Callable[..., bytes], start: bytes) -> None:
    before = scrape(client)["process_resident_memory_bytes", ()]
    talk(CHUNKED + start, *endless(b"y"))
    assert scrape(client)["process_resident_memory_bytes", ()] - before < 20e6


def test_many_requests_at_once_on_one_connection_are_answered(talk: Callable[..., bytes]) -> None:
    count = 3000
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert talk((REQUEST + b"\r\n") * count + last).count(b"HTTP/1.1 200 ") == count + 1


def test_what_is_no_http_is_a_problem_detail(talk: Callable[..., bytes]) -> None:
    refusal(talk(b"\x16\x03\x01 hello\r\n\r\n"), 400)
