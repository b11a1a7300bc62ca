"""Load on the prediction service while its processes are killed: what was answered must be in the log."""

import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any

import httpx

from flows.runtime.local_server import free_port
from tests.chaos.contents import in_database
from tests.chaos.place import Place

_CALLERS = 4
_LOAD_SECONDS = 4.0
_READY_SECONDS = 300.0


class Load:
    """Callers of a service from when it is ready, for some seconds; then the service is asked to end.

    Attributes:
        answered: what the service predicted, by the id of the request.
        refused: how often each other status was answered.
    """

    port = free_port()

    def __init__(self, place: Place, process: "subprocess.Popen[bytes]", seconds: float = _LOAD_SECONDS) -> None:
        """Begin; returns at once."""
        self._seconds = seconds
        self.answered: dict[str, tuple[str, float]] = {}
        self.refused: dict[int, int] = {}
        self._place = place
        self._process = process
        self._users = [
            line.split(",")[0] for line in (place.data / "month_000" / "users.csv").read_text().split()[1:21]
        ]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        """Wait until the callers have ended."""
        self._thread.join()

    def faults(self) -> list[str]:
        """What an undisturbed service must not answer; that it did not answer at all.

        503 is allowed: of several processes one may be ready before another.
        """
        self.end()
        found = [f"{count} answers of status {status}" for status, count in self.refused.items() if status != 503]
        ended = self._process.returncode
        return found + (
            [] if self.answered and ended == 128 + signal.SIGTERM else [f"no answers, or its end is {ended}"]
        )

    def require_answers(self, errors: str) -> None:
        """Check an undisturbed service.

        Raises:
            RuntimeError: it answered otherwise than with a prediction, or not at all.
        """
        if found := self.faults():
            raise RuntimeError(f"the service, undisturbed: {found}: {errors}")

    def _run(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while self._process.poll() is None and not self._is_ready() and time.monotonic() < deadline:
            time.sleep(0.1)
        end = time.monotonic() + self._seconds
        callers = [threading.Thread(target=self._call, args=(number, end)) for number in range(_CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGTERM)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/ready", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def _call(self, number: int, end: float) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30) as client:
            while time.monotonic() < end and self._process.poll() is None:
                user, name = self._users[number % len(self._users)], f"chaos-{uuid.uuid4()}"
                number += 1
                try:
                    answer = client.post("/predict", json={"user_id": user}, headers={"X-Request-ID": name})
                except httpx.TransportError:
                    time.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    self.answered[name] = (user, answer.json()["probability"])
                else:
                    self.refused[answer.status_code] = self.refused.get(answer.status_code, 0) + 1
                    time.sleep(0.05)


def answered_are_logged(place: Place, loads: Iterable[Load]) -> list[str]:
    """What was answered and is not in the log, or there with another prediction or twice; other answers than 503.

    What is in the spool counts: the next start takes it up.
    """
    answered: dict[str, tuple[str, float]] = {}
    found, seen = [], {}
    for load in loads:
        answered |= load.answered
        found += [f"{count} answers of status {status}" for status, count in load.refused.items() if status != 503]
    for name, user, probability in in_database(place.home, _logged):
        if name in seen:
            found.append(f"{name} is in the log twice")
        seen[name] = (user, probability)
    for path in (place.home / "spool").rglob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        seen |= {row["request_id"]: (row["entity_key"], row["probability"]) for row in rows}
    missing = [name for name in answered if name not in seen]
    wrong = [name for name, answer in answered.items() if name in seen and seen[name] != answer]
    if missing:
        found.append(f"{len(missing)} of {len(answered)} answered predictions are not in the log, such as {missing[0]}")
    if wrong:
        found.append(f"{len(wrong)} predictions are in the log otherwise than answered, such as {wrong[0]}")
    return found


def _logged(connection: Any) -> list[tuple[str, str, float]]:
    rows = connection.exec_driver_sql(
        "SELECT request_id, entity_key, probability FROM predictions WHERE request_id LIKE 'chaos-%%'"
    )
    return [tuple(row) for row in rows]
