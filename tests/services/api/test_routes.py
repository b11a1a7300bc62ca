"""What comes back, for whatever is asked."""

import json
import math
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest

from driftgate.features.online import KeyState, OnlineRows
from driftgate.measures import LabelKind
from driftgate.training.model import TrainedModel
from driftgate.training.pipeline import fit_pipeline
from services.api.rows import rows_of
from services.api.scoring import Scorer
from tests.services.api.conftest import MONTH, THRESHOLD, Month, Versions, live, logged, make_service

Serve = Callable[..., httpx.Client]


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The answer's body, once it is a problem detail of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = dict(answer.json())
    assert body["status"] == status and body["type"] == "about:blank" and body["title"] and body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return body


def test_every_user_is_scored_as_offline(client: httpx.Client, month: Month) -> None:
    users = month.users
    expected = month.probabilities("1", users)
    answers = []
    for start in range(0, len(users), 1000):
        batch = client.post("/predict/batch", json={"user_ids": users[start : start + 1000]})
        assert batch.status_code == 200, batch.text
        answers += batch.json()["predictions"]
    assert [item["user_id"] for item in answers] == users
    assert [item["probability"] for item in answers] == expected
    assert [item["prediction"] for item in answers] == [int(value >= THRESHOLD) for value in expected]
    assert sum(THRESHOLD <= value < 0.5 for value in expected) > 100, "at 0.5 these would be 0"
    assert {item["model_version"] for item in answers} == {"1"}
    assert [item["features_used"] for item in answers] == list(month.rows.values())
    assert any(None in item["features_used"].values() for item in answers)


@pytest.mark.parametrize("path", ["/health", "/metrics", "/docs", "/features/anyone", "/nothing"])
def test_a_page_elsewhere_cannot_ask_by_a_name_of_its_own(client: httpx.Client, path: str) -> None:
    body = problem(client.get(path, headers={"Host": "rebound.example"}), 421)
    assert "DRIFTGATE_HOSTS" in body["detail"]


def test_a_name_that_is_set_is_answered(month: Month) -> None:
    with live(make_service(month, month.versions()), "api,churn.example") as named:
        asked = {
            host: named.get("/health", headers={"Host": host}).status_code for host in ("api:8000", "else.example")
        }
    assert asked == {"api:8000": 200, "else.example": 421}


def test_one_user_and_their_features(client: httpx.Client, month: Month) -> None:
    user = next(user for user, row in month.rows.items() if None in row.values())
    answer = client.post("/predict", json={"user_id": user})
    [probability] = month.probabilities("1", [user])
    assert answer.json() == {
        "user_id": user,
        "prediction": int(probability >= THRESHOLD),
        "probability": probability,
        "model_version": "1",
        "features_used": month.rows[user],
    }
    features = client.get(f"/features/{user}")
    assert features.json() == {"user_id": user, "as_of": str(MONTH), "features": month.rows[user]}


@pytest.mark.parametrize("kind", [LabelKind.NUMERIC, LabelKind.CATEGORICAL])
def test_a_number_or_a_class_is_answered_as_such(serve: Serve, month: Month, kind: LabelKind) -> None:
    names = tuple(item.name for item in month.inputs)
    columns = {name: [row[name] for row in month.rows.values()] for name in names}
    boolean = month.model("1").scores(columns)
    goal = boolean * 100 if kind is LabelKind.NUMERIC else np.where(boolean > 0.5, "gone", "stays")
    model = TrainedModel("m", "7", names, fit_pipeline(columns, goal, month.inputs, 0, kind), kind)
    client = serve(Versions({"7": model}, "7"))
    users = month.users[:30]
    batch = client.post("/predict/batch", json={"user_ids": users}, headers={"X-Request-ID": f"kind-{kind}"})
    answers = batch.json()["predictions"]
    scores = model.scores({name: values[:30] for name, values in columns.items()})
    if kind is LabelKind.NUMERIC:
        assert [item["prediction"] for item in answers] == scores.tolist()
        assert list(answers[0]) == ["user_id", "prediction", "model_version", "features_used"]
    else:
        assert [item["prediction"] for item in answers] == [model.classes[at] for at in scores.argmax(axis=1).tolist()]
        assert [item["probability"] for item in answers] == scores.max(axis=1).tolist()
    alone = client.post("/predict", json={"user_id": users[0]}).json()
    assert alone == answers[0]
    counted = "number" if kind is LabelKind.NUMERIC else "gone"
    assert f'api_predictions_total{{model_version="7",prediction="{counted}"}}' in client.get("/metrics").text
    deadline = time.monotonic() + 60
    while len(rows := logged(month.engine, request_id=f"kind-{kind}")) < 30:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kept = {row["entity_key"]: row["predicted_value"] or row["predicted_class"] for row in rows}
    assert kept == {item["user_id"]: item["prediction"] for item in answers}
    assert {row["prediction"] for row in rows} == {None}
    assert {row["probability"] for row in rows} == {item.get("probability") for item in answers}


def test_many_at_once_each_get_their_own(client: httpx.Client, month: Month) -> None:
    users = month.users[:120]
    expected = dict(zip(users, month.probabilities("1", users), strict=True))
    wrong: list[str] = []

    def ask(part: list[str]) -> None:
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            for user in part:
                answer = own.post("/predict", json={"user_id": user}).json()
                if answer["user_id"] != user or answer["probability"] != expected[user]:
                    wrong.append(user)

    threads = [threading.Thread(target=ask, args=(users[place::12],)) for place in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_batch_keeps_order_and_repetitions(client: httpx.Client, month: Month) -> None:
    users = [month.users[5], month.users[2], month.users[5]]
    answer = client.post("/predict/batch", json={"user_ids": users}).json()
    assert [item["user_id"] for item in answer["predictions"]] == users


def test_unknown_users_are_not_found(client: httpx.Client, month: Month) -> None:
    assert problem(client.post("/predict", json={"user_id": "nobody"}), 404)["unknown_user_ids"] == ["nobody"]
    assert str(MONTH) in problem(client.get("/features/nobody"), 404)["detail"]
    batch = client.post("/predict/batch", json={"user_ids": [month.users[0], "nobody", "no one"]})
    assert problem(batch, 404)["unknown_user_ids"] == ["nobody", "no one"]


@pytest.mark.parametrize(("count", "status"), [(0, 422), (1000, 200), (1001, 422)])
def test_batches_have_a_largest_size(client: httpx.Client, month: Month, count: int, status: int) -> None:
    answer = client.post("/predict/batch", json={"user_ids": month.users[:count]})
    assert answer.status_code == status
    if status == 422:
        problem(answer, 422)


def test_what_is_not_there(client: httpx.Client) -> None:
    problem(client.get("/nothing"), 404)
    problem(client.get("/predict/"), 404)
    answer = client.put("/predict", json={})
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    problem(client.request("PROPFIND", "/predict"), 405)


def test_large_bodies_are_refused_by_what_arrives(client: httpx.Client) -> None:
    large = b'{"user_id": "' + b"x" * 300_000 + b'"}'
    headers = {"content-type": "application/json"}
    problem(client.post("/predict", content=large, headers=headers), 413)

    def parts() -> Any:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    # Without a length in the header; the server may close before all is sent.
    try:
        answer = client.post("/predict", content=parts(), headers=headers)
    except httpx.TransportError:
        answer = None
    if answer is not None:
        problem(answer, 413)
    assert client.get("/health").status_code == 200


def test_a_body_that_never_ends_is_given_up(serve: Serve, month: Month) -> None:
    client = serve(request_timeout_seconds=0.5)
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=30) as slow:
        slow.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        received = slow.recv(4096)
    assert received.startswith(b"HTTP/1.1 408 ") and b"application/problem+json" in received


def test_request_ids_are_kept_where_they_are_sane(client: httpx.Client) -> None:
    assert client.get("/health", headers={"X-Request-ID": "order-17:a"}).headers["x-request-id"] == "order-17:a"
    seen = set()
    for given in ("", "a b", "x" * 129, "a\tb", "ä", '{"a"}'):
        answer = client.get("/health", headers={"X-Request-ID": given.encode("latin-1")})
        made = answer.headers["x-request-id"]
        assert made != given and len(made) == 36
        seen.add(made)
    assert len(seen) == 6
    assert problem(client.get("/nothing", headers={"X-Request-ID": "mine"}), 404)["request_id"] == "mine"


def test_the_key_is_asked_for_where_one_is_set(serve: Serve, month: Month) -> None:
    client = serve(key="open sesame")
    body = {"user_id": month.users[0]}
    for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": "open sesam"}, {"X-API-Key": b"\xff\xfe"}):
        answer = client.post("/predict", json=body, headers=headers)
        problem(answer, 401)
        assert answer.headers["www-authenticate"]
        problem(client.get(f"/features/{month.users[0]}", headers=headers), 401)
        problem(client.post("/predict/batch", json={"user_ids": month.users[:2]}, headers=headers), 401)
    right = {"X-API-Key": "open sesame"}
    assert client.post("/predict", json=body, headers=right).status_code == 200
    assert client.get(f"/features/{month.users[0]}", headers=right).status_code == 200
    for path in ("/health", "/ready", "/metrics", "/openapi.json"):
        assert client.get(path).status_code == 200


def test_too_many_at_once_are_told_to_come_back(serve: Serve, month: Month) -> None:
    client = serve(max_waiting_keys=1000, request_timeout_seconds=1)
    service_lock = threading.Event()
    scorer = next(thread for thread in reversed(threading.enumerate()) if isinstance(thread, Scorer))
    scorer.run_there(service_lock.wait)
    answers: list[httpx.Response] = []

    def ask() -> None:
        with httpx.Client(base_url=client.base_url, timeout=60) as own:
            answers.append(own.post("/predict/batch", json={"user_ids": month.users[:900]}))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    service_lock.set()
    said = sorted(problem(answer, 503)["detail"] for answer in answers)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert "too many" in said[1] and "too long" in said[0]
    # Those who gave up are forgotten, and the next is served.
    assert client.post("/predict", json={"user_id": month.users[0]}).status_code == 200


def test_a_fault_is_answered_without_its_trace(serve: Serve, month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()
    assert client.post("/predict", json={"user_id": month.users[0]}).status_code == 200

    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("services.api.rows._scores", broken)
    answer = client.post("/predict", json={"user_id": month.users[0]})
    problem(answer, 500)
    assert "secret" not in answer.text
    monkeypatch.undo()
    assert client.post("/predict", json={"user_id": month.users[0]}).status_code == 200


def test_the_description_has_examples_and_every_error(client: httpx.Client) -> None:
    description = client.get("/openapi.json").json()
    assert client.get("/docs").status_code == 200
    for path, method in (("/predict", "post"), ("/predict/batch", "post"), ("/features/{user_id}", "get")):
        answers = description["paths"][path][method]["responses"]
        assert {"200", "401", "404", "422", "503"} <= set(answers)
        for status, answer in answers.items():
            if status != "200":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
    assert "HTTPValidationError" not in description["components"]["schemas"]
    assert "ProblemDetail" in description["components"]["schemas"]
    assert description["components"]["schemas"]["PredictRequest"]["properties"]["user_id"]["examples"]


def test_a_key_beyond_ascii_is_accepted(serve: Serve, month: Month) -> None:
    client = serve(key="Schlüssel €")
    body = {"user_id": month.users[0]}
    for wrong in ("Schlüssel", "Schlussel €", "Schlüssel £"):
        problem(client.post("/predict", json=body, headers={"X-API-Key": wrong.encode()}), 401)
    assert client.post("/predict", json=body, headers={"X-API-Key": "Schlüssel €".encode()}).status_code == 200


def test_values_of_every_type_become_json() -> None:
    moment = datetime(2024, 3, 31, 12, 30, tzinfo=UTC)
    key = UUID("12345678-1234-5678-1234-567812345678")
    given = [moment, MONTH, key, Decimal("5.00"), 1.5, math.nan, math.inf, None, True, 7, "text"]
    columns = {f"f{n}": [value] for n, value in enumerate(given)}
    (row,) = rows_of(["u"], OnlineRows([KeyState.FOUND], [MONTH], columns), None)
    expected = ["2024-03-31T12:30:00+00:00", "2024-03-31", str(key), "5.00", 1.5, None, None, None, True, 7, "text"]
    back = json.loads(json.dumps(dict(row.features), allow_nan=False))
    assert list(back.values()) == expected
    assert back["f8"] is True
