"""Problem details: the status in words, what to do, and nothing of what was sent."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from services.api.problems import MEDIA_TYPE, ProblemDetail, documented, install, problem, unavailable

Ask = Callable[..., httpx.Response]


class Body(BaseModel):
    """A body with one number."""

    number: int


@pytest.fixture
def ask() -> Ask:
    """Ask an application that answers every error this way."""
    app = FastAPI()
    install(app)

    @app.post("/numbers")
    def numbers(body: Body) -> int:
        if body.number > 9:
            raise unavailable("no model yet", 0.2, model="m")
        return body.number

    async def send(method: str, path: str, body: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, json=body)

    return lambda method, path, body=None: asyncio.run(send(method, path, body))


def test_a_refused_body_is_named_by_its_place_and_not_repeated(ask: Ask) -> None:
    answer = ask("POST", "/numbers", {"number": "s3cret"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
    assert answer.json()["errors"][0]["where"] == "body.number" and "s3cret" not in answer.text


def test_what_is_not_there_now_says_when_to_come_back(ask: Ask) -> None:
    answer = ask("POST", "/numbers", {"number": 10})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["detail"] == "no model yet" and answer.json()["model"] == "m"


@pytest.mark.parametrize(("path", "method", "status"), [("/nowhere", "GET", 404), ("/numbers", "GET", 405)])
def test_other_errors_are_problems_too(ask: Ask, path: str, method: str, status: int) -> None:
    answer = ask(method, path)
    found = ProblemDetail.model_validate(answer.json())
    assert (answer.status_code, found.status) == (status, status) and found.detail


def test_the_description_of_an_error_is_one() -> None:
    for status, found in documented(401, 404, 503).items():
        assert ProblemDetail.model_validate(found["content"][MEDIA_TYPE]["example"]).status == status
        assert ("headers" in found) == (status == 503)
    assert problem(404, "gone", more=1)["more"] == 1
