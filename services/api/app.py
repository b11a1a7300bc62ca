"""The application: routes, errors and the edge around a service."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from sqlalchemy import Engine, create_engine
from starlette.routing import Mount, Route

from driftgate.database import ConnectionParameters
from driftgate.database.configured import connection_parameters
from driftgate.features.types import feast_environment
from driftgate.hosts import host_names
from driftgate.monitors import read_monitor
from driftgate.predictions.spool import Spool, spool_folder
from driftgate.settings import Settings
from driftgate.training.registry.models import ModelRegistry
from services.api import json_log, problems
from services.api.edge import Edge
from services.api.metrics import UNMATCHED
from services.api.problems import ProblemDetail
from services.api.protocol import STATE, Bounds
from services.api.routes import key_check, keyed_routes, open_routes
from services.api.rows import Reader
from services.api.server import end_with_supervisor
from services.api.service import Service
from services.api.settings import ApiSettings

_SWITCH_SECONDS = 0.0005
_PAGE_FILES = "/docs/files"


def create_app(service: Service, hosts: str = "") -> FastAPI:
    """The application around a service, which it starts and stops; `BoundedProtocol` speaks to its callers.

    `hosts` is DRIFTGATE_HOSTS.
    """
    chosen = service.settings
    bounds = Bounds(chosen.max_header_bytes, chosen.max_headers, chosen.header_seconds, service.metrics)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Bounds]]:
        service.start()
        yield {STATE: bounds}
        service.stop()

    # /docs with all its files comes from this process; /redoc would ask another site for its maker's logo.
    app = FastAPIOffline(
        redoc_url=None,
        static_url=_PAGE_FILES,
        title="Driftgate scoring API",
        summary="Features from the online store, the champion's probability",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    keyed = keyed_routes(service.join_key)
    app.include_router(open_routes)
    app.include_router(keyed, dependencies=[key_check()] if service.settings.key else [])
    problems.install(app)
    _describe_problems(app)
    service.metrics.expect(_answers(open_routes, keyed))
    app.add_middleware(
        Edge,
        metrics=service.metrics,
        templates=_templates(app),
        max_body_bytes=service.settings.max_body_bytes,
        body_seconds=service.settings.request_timeout_seconds,
        access_log=service.settings.access_log,
        hosts=host_names(hosts),
    )
    return app


def from_environment() -> FastAPI:
    """The application as the environment describes it; neither database nor model need be there yet.

    Raises:
        ConfigurationError: a variable or monitors.toml is wrong, or the monitor names no model.
        UsageError: there is no such monitor, or several where API_MONITOR names none.
    """
    end_with_supervisor()
    json_log.configure()
    # The scoring thread would otherwise keep the thread that talks to callers waiting for 5 ms at a time.
    sys.setswitchinterval(_SWITCH_SECONDS)
    return create_app(service_from_environment(), Settings.load().driftgate_hosts)


def service_from_environment() -> Service:
    """The service of this process's environment.

    Raises:
        ConfigurationError: as `from_environment`.
    """
    from driftgate.errors import ConfigurationError

    api, settings = ApiSettings.load(), Settings.load()
    monitor = read_monitor(settings.driftgate_monitors, api.monitor)
    if monitor.model is None:
        raise ConfigurationError(
            f"the monitor {monitor.name!r} names no model to serve",
            remedy='add model = "NAME" to it in monitors.toml, or set API_MONITOR to another monitor',
        )
    parameters = connection_parameters(settings)
    # Feast's repository is filled from these; the connections that it opens by itself must not wait for ever either.
    os.environ.update(feast_environment(parameters))
    os.environ["PGCONNECT_TIMEOUT"] = str(api.connect_timeout_seconds)
    repo = Path(monitor.feast_repo or settings.feast_repo)

    def open_reader() -> Reader:
        from driftgate.features.online_adapter import open_reader as open_online

        return open_online(
            repo,
            monitor.feature_service,
            monitor.entity.feast_key,
            connect_seconds=api.connect_timeout_seconds,
            statement_seconds=api.statement_timeout_seconds,
        )

    registry = ModelRegistry(parameters, settings.mlflow_artifacts, monitor.model)
    spool = Spool(spool_folder(settings.driftgate_home))
    return Service(api, registry, open_reader, log_engine(parameters, api), monitor.entity.feast_key, spool=spool)


def log_engine(parameters: ConnectionParameters, api: ApiSettings) -> Engine:
    """One connection, for the thread that writes the log; many rows go in one message."""
    return create_engine(
        parameters.url(),
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
        executemany_mode="values_plus_batch",
        executemany_batch_page_size=500,
        connect_args={
            "options": f"-c timezone=UTC -c statement_timeout={round(api.shutdown_seconds * 1000)}",
            "connect_timeout": api.connect_timeout_seconds,
            "application_name": "driftgate-prediction-log",
        },
    )


def _templates(app: FastAPI) -> dict[object, str]:
    """Route templates by endpoint; the files of a page are one."""
    pages: dict[object, str] = {route.endpoint: route.path for route in app.routes if isinstance(route, Route)}
    return pages | {route.app: route.path for route in app.routes if isinstance(route, Mount)}


def _answers(*routers: APIRouter) -> Iterator[tuple[str, str, int]]:
    """Route, method and status of every answer that the description names, and of those that any route may give."""
    for route in chain.from_iterable(router.routes for router in routers):
        if isinstance(route, APIRoute):
            named = {int(status) for status in route.responses if str(status).isdigit()}
            for method in sorted(route.methods):
                yield from ((route.path, method, status) for status in sorted({200, 500, *named}))
    yield (UNMATCHED, "GET", 404)


def _describe_problems(app: FastAPI) -> None:
    """Put the schema of errors into the OpenAPI description, which otherwise only knows those of answers."""
    make = app.openapi

    def openapi() -> dict[str, object]:
        description = make()
        schema = ProblemDetail.model_json_schema(ref_template="#/components/schemas/{model}")
        description["components"]["schemas"].setdefault("ProblemDetail", schema)
        return description

    app.openapi = openapi  # type: ignore[method-assign]
