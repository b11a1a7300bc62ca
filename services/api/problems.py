"""Every error as a problem detail (RFC 9457), application/problem+json, without a word about the inside."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from services.api.json_log import request_id

MEDIA_TYPE = "application/problem+json"
_MAX_ERRORS = 20


class ProblemDetail(BaseModel):
    """The body of every error."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", description="Always about:blank: the status says all")
    title: str = Field(description="The status in words")
    status: int
    detail: str = Field(description="What was wrong, and what to do")
    request_id: str = Field(description="Also in the header X-Request-ID and in the log")


class Problem(HTTPException):
    """An error to answer with; `more` are further members of the body."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.more = more


def unavailable(detail: str, retry_seconds: float = 1, **more: Any) -> Problem:
    """503 with Retry-After."""
    return Problem(503, detail, {"Retry-After": str(math.ceil(retry_seconds))}, **more)


def problem_response(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """The answer for an error."""
    return JSONResponse(problem(status, detail, **more), status, dict(headers or {}), MEDIA_TYPE)


def problem(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """The body of an error."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id.get(),
        **more,
    }


async def _http_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    if isinstance(error, Problem):
        return problem_response(error.status_code, error.detail, error.headers, **error.more)
    # FastAPI tells bodies that are no text, or nested too deeply, from bodies that are no JSON; for a caller it is one.
    status = 422 if error.status_code == 400 else error.status_code
    return problem_response(status, _SAID.get(status, str(error.detail)), error.headers)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    # What was sent is not sent back: it may be large, secret, or no text at all.
    assert isinstance(error, RequestValidationError)
    faults = [
        {"where": ".".join(str(part) for part in item["loc"])[:100], "what": str(item["msg"])[:200]}
        for item in error.errors()[:_MAX_ERRORS]
    ]
    return problem_response(422, "the request is not as the API's description says, see errors", errors=faults)


_SAID = {
    404: "there is nothing at this address; /docs lists what there is",
    405: "this address does not take that method; the header Allow says which it takes",
    422: "the body of the request cannot be read",
}


def install(app: FastAPI) -> None:
    """Answer every error of the application this way; what nobody catches, the edge answers."""
    app.add_exception_handler(StarletteHTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _invalid)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the given errors."""
    return {status: _documented(status) for status in statuses}


_MEANINGS = {
    401: "The API key is missing or wrong",
    404: "The user is not in the month that is served",
    408: "The body did not arrive in time",
    413: "The body is too large",
    422: "The request is malformed",
    500: "A fault in the API",
    503: "The model or the feature store is not available; try again after Retry-After seconds",
}


def _documented(status: int) -> dict[str, Any]:
    example = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _MEANINGS[status],
        "request_id": "4f0c9d0e-7c1e-4d5b-9d55-3a5b7f0f7c11",
    }
    description: dict[str, Any] = {
        "description": _MEANINGS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetail"}, "example": example}},
    }
    if status == 503:
        seconds = {"description": "Seconds after which to try again", "schema": {"type": "integer"}}
        description["headers"] = {"Retry-After": seconds}
    return description
