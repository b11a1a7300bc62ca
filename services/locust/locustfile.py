"""Load on the prediction API: mostly predictions of known users, some health checks, some bad input.

`make load` runs it without a browser and prints a summary; `docker compose --profile load up` shows it on port 8089.
The known users come from LOCUST_USER_IDS (ids, comma-separated), else from LOCUST_USERS_FILE (a CSV file with the
column user_id), else from `users.csv` of the newest month folder in LOCUST_DATA, by default ./data.
"""

import json
import os
import random
import uuid
from typing import Any

from locust import FastHttpUser, between, events, task
from locust.env import Environment
from users import NoUsersError, read_known_users  # beside this file, whose folder locust adds to the path

known_users: list[str] = []


@events.init.add_listener
def _read_users(**_: Any) -> None:
    try:
        known_users[:] = read_known_users(os.environ)
    except NoUsersError as error:
        raise SystemExit(str(error)) from None


@events.quitting.add_listener
def _judge(environment: Environment, **_: Any) -> None:
    """A run that predicted nothing has shown nothing. Failures alone already end with status 1."""
    predictions = environment.stats.get("/predict", "POST")
    if predictions.num_requests == predictions.num_failures:
        print("no prediction succeeded")
        environment.process_exit_code = 1


def _is_prediction(text: str, user_id: str) -> bool:
    try:
        answer = json.loads(text)
        return bool(answer["user_id"] == user_id and 0 <= answer["probability"] <= 1)
    except (ValueError, KeyError, TypeError):
        return False


class ApiUser(FastHttpUser):
    """Somebody who asks for predictions."""

    host = "http://127.0.0.1:8000"
    wait_time = between(0.05, 0.25)
    connection_timeout = 10.0
    network_timeout = 30.0
    insecure = False  # certificates are checked

    @task(10)
    def predict(self) -> None:
        """A known user gets a score in [0, 1]."""
        user_id = random.choice(known_users)
        with self.client.post("/predict", json={"user_id": user_id}, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code} where 200 is due")
            elif not _is_prediction(response.text or "", user_id):
                response.failure("the answer is no prediction for the user")
            else:
                response.success()

    @task(2)
    def bad_input(self) -> None:
        """An unknown user or a malformed body is refused, and says so in a problem document."""
        name, body, expected = random.choice(
            [
                ("unknown user", {"user_id": f"nobody-{uuid.uuid4().hex[:12]}"}, 404),
                ("malformed", {"user": 1}, 422),
            ]
        )
        with self.client.post("/predict", json=body, name=f"/predict ({name})", catch_response=True) as response:
            if response.status_code != expected:
                response.failure(f"status {response.status_code} where {expected} is due")
            elif "application/problem+json" not in (response.headers or {}).get("Content-Type", ""):
                response.failure("the refusal is no problem document")
            else:
                response.success()

    @task(1)
    def health(self) -> None:
        """The process lives."""
        self.client.get("/health")
