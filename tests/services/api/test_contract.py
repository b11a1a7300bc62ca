"""The OpenAPI description holds for generated requests, and none of them is a server error."""

from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.services.api.conftest import Month

BOUNDED = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def asked(operation: Any) -> set[int]:
    """Ask with generated requests; the statuses of the answers, each of which is as described."""
    seen = set()

    @BOUNDED
    @given(case=operation.as_strategy())
    def check(case: schemathesis.Case) -> None:
        seen.add(case.call_and_validate().status_code)

    check()
    return seen


def test_every_answer_is_as_described(client: httpx.Client, month: Month) -> None:
    description = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    operations = [found.ok() for found in description.get_all_operations()]
    statuses = {operation.label: asked(operation) for operation in operations}
    assert set(statuses) == {
        "POST /predict",
        "POST /predict/batch",
        "GET /features/{user_id}",
        "GET /health",
        "GET /ready",
        "GET /metrics",
    }
    assert statuses["GET /health"] == statuses["GET /ready"] == statuses["GET /metrics"] == {200}
    assert 404 in statuses["POST /predict"] and 404 in statuses["POST /predict/batch"]


def test_the_examples_of_the_description_are_answers(client: httpx.Client, month: Month) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    answer = client.post("/predict", json={"user_id": month.users[0]}).json()
    assert set(answer) == set(schemas["PredictionAnswer"]["properties"])
    body = schemas["BatchRequest"]["properties"]["user_ids"]["examples"][0]
    assert client.post("/predict/batch", json={"user_ids": body}).status_code == 404
