"""The receiver that prints alerts while no other address is set."""

import doctest
import json
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.services.daemons import SERVICES, free_port, running, script

SCRIPT = SERVICES / "alertmanager" / "alert_log.py"


def post(url: str, body: bytes) -> int:
    try:
        with urlopen(Request(url, data=body), timeout=10) as response:
            return int(response.status)
    except HTTPError as error:
        return error.code


def test_its_example_runs() -> None:
    failed, tried = doctest.testmod(script(SCRIPT))
    assert (failed, tried > 0) == (0, True)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"http://127.0.0.1:{free_port()}"


def test_alerts_become_lines_and_anything_else_is_refused(url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    alert = {"status": "firing", "labels": {"alertname": "ApiDown", "severity": "critical"}}
    alert["annotations"] = {"summary": "down\nresolved ApiDown critical: up"}
    with running([sys.executable, SCRIPT, "--port", url.rpartition(":")[2]], log, url) as process:
        assert post(f"{url}/critical", json.dumps({"alerts": [alert, {**alert, "status": "resolved"}]}).encode()) == 200
        for body in (b"", b"no json", b"[]", b"{}", b'{"alerts": [{}]}', b'{"alerts": [1]}', b'{"alerts": null}'):
            assert post(url, body) == 400, body
        process.terminate()
        assert process.wait(20) == 0
    text = log.read_text().splitlines()
    assert text[1:] == [
        "firing ApiDown critical: down\\nresolved ApiDown critical: up",
        "resolved ApiDown critical: down\\nresolved ApiDown critical: up",
    ]
