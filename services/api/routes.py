"""The routes."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader
from prometheus_client import CONTENT_TYPE_LATEST

from driftgate.measures import LabelKind
from services.api.problems import documented
from services.api.rows import Row
from services.api.schemas import EntityKey, EntitySchemas, HealthAnswer, ReadyAnswer
from services.api.service import Service


def service_of(request: Request) -> Service:
    """The service of the application that the request came to."""
    service: Service = request.app.state.service
    return service


def _check_key(
    request: Request, key: Annotated[str | None, Security(APIKeyHeader(name="X-API-Key", auto_error=False))]
) -> None:
    service_of(request).require_key(key)


open_routes = APIRouter()


def keyed_routes(join_key: str) -> APIRouter:
    """The routes that ask for the API key; an entity is named by the monitor's join key.

    Raises:
        ConfigurationError: the join key is the name of another field of the answers.
    """
    routes, schemas = APIRouter(responses=documented(401, 503)), EntitySchemas.of(join_key)
    # A place in a path must be named by a word; nobody sends that name.
    place = re.sub(r"\W", "_", schemas.one, flags=re.ASCII)

    @routes.post("/predict", response_model=schemas.answer, responses=documented(404, 408, 413, 422), tags=["scoring"])
    async def predict(body: schemas.request, request: Request) -> Response:
        """Score one user with the champion, on the features of the month that is served."""
        (row,) = await service_of(request).predict([body.entity_key])
        return JSONResponse(_prediction(row, schemas))

    @routes.post(
        "/predict/batch",
        response_model=schemas.batch_answer,
        responses=documented(404, 408, 413, 422),
        tags=["scoring"],
    )
    async def predict_batch(body: schemas.batch_request, request: Request) -> Response:
        """Score up to 1,000 users; where one is unknown none is scored, and the answer names who is unknown."""
        rows = await service_of(request).predict(body.entity_keys)
        return JSONResponse({"predictions": [_prediction(row, schemas) for row in rows]})

    @routes.get(
        f"/features/{{{place}}}",
        response_model=schemas.features_answer,
        responses=documented(404, 422),
        tags=["features"],
    )
    async def features(entity_key: Annotated[EntityKey, Path(alias=place)], request: Request) -> Response:
        """The features that the user would be scored on."""
        row = await service_of(request).features(entity_key)
        return JSONResponse({schemas.one: row.key, "as_of": str(row.as_of), "features": row.features})

    return routes


@open_routes.get("/health", response_model=HealthAnswer, tags=["operation"])
async def health() -> dict[str, str]:
    """Whether the process lives; says nothing about model or store."""
    return {"status": "alive"}


@open_routes.get(
    "/ready",
    response_model=ReadyAnswer,
    response_model_exclude_none=True,
    responses=documented(503),
    tags=["operation"],
)
async def ready(request: Request) -> dict[str, Any]:
    """Whether requests will be answered: a model is loaded and warm, the feature store answers and holds a month."""
    model, state = await service_of(request).ready()
    threshold = model.threshold if model.kind is LabelKind.BOOLEAN else None
    return {
        "status": "ready",
        "model": model.name,
        "model_version": model.version,
        "as_of": state.month,
        "threshold": threshold,
    }


@open_routes.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
    tags=["operation"],
)
def metrics(request: Request) -> Response:
    """All metrics; with several workers, their sums."""
    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE_LATEST)


def key_check() -> Any:
    """The dependency that asks for the API key."""
    return Depends(_check_key)


def _prediction(row: Row, schemas: EntitySchemas) -> dict[str, Any]:
    probability = {} if row.probability is None else {"probability": row.probability}
    return {
        schemas.one: row.key,
        "prediction": row.prediction,
        **probability,
        "model_version": row.version,
        "features_used": row.features,
    }
