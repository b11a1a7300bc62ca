"""The pages over HTTP: what is in the folder and nothing else, to who asks this machine by its name."""

import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.pages.serve import make_server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "reports" / "orders").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "reports"


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    with make_server(folder, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def ask(port: int, path: str, host: str = "127.0.0.1", method: str = "GET") -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Host": f"{host}:{port}"})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), dict(answer.getheaders())
    connection.close()
    return found


def test_a_page_is_served_and_asked_for_again_each_time(port: int, folder: Path) -> None:
    assert "There is no verdict yet" in ask(port, "/")[1]
    (folder / "index.html").write_text("the overview")
    (folder / "orders" / "monitor.html").write_text("the months")
    status, text, headers = ask(port, "/")
    assert (status, text) == (200, "the overview")
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(port, "/orders/monitor.html")[:2] == (200, "the months")
    assert ask(port, "/orders/monitor.html", host="localhost")[0] == 200


@pytest.mark.parametrize(
    "path", ["/orders/", "/nothing.html", "/../secret.txt", "/%2e%2e/secret.txt", "/.hidden", "/orders/.part-1"]
)
def test_nothing_else_is_there(port: int, folder: Path, path: str) -> None:
    (folder / ".hidden").write_text("hidden")
    (folder / "orders" / ".part-1").write_text("hidden")
    status, text, _ = ask(port, path)
    assert status == 404
    assert "hidden" not in text.replace("/.hidden", "")
    assert "secret" not in text.replace("secret.txt", "")


@pytest.mark.parametrize("path", ["/%00", "/orders/%00.html", "/" + "a" * 3000, "/a" * 3000])
def test_a_path_that_no_file_can_have_is_nothing(port: int, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert ask(port, path)[0] == 404
    assert capfd.readouterr().err == ""


def test_a_second_host_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: rebound.example\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nobody_changes_anything(port: int, method: str) -> None:
    assert ask(port, "/", method=method)[0] == 501


def test_a_page_elsewhere_cannot_ask_by_a_name_of_its_own(port: int) -> None:
    assert ask(port, "/", host="rebound.example")[0] == 421


def test_a_name_that_is_set_is_answered_and_any_address_where_it_listens_to_all_no_other_name(folder: Path) -> None:
    with make_server(folder, "0.0.0.0", 0, "pages.example") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = int(server.server_address[1])
        asked = {host: ask(port, "/", host=host)[0] for host in ("pages.example", "192.0.2.1", "rebound.example")}
        server.shutdown()
        thread.join()
    assert asked == {"pages.example": 200, "192.0.2.1": 200, "rebound.example": 421}


@pytest.mark.parametrize("taken", [True, False])
def test_a_port_that_cannot_be_had_is_plain_words_with_what_to_do(port: int, folder: Path, taken: bool) -> None:
    asked = port if taken else 99999
    line = [sys.executable, "-m", "services.pages.serve", "--port", str(asked), "--folder", str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    first, second = done.stderr.splitlines()
    assert done.returncode == 2 and done.stdout == ""
    assert first.startswith(f"UsageError: nothing can listen on 127.0.0.1:{asked}: ") and "--port" in second
