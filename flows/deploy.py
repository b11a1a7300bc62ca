"""The deployments, made or brought up to date on the Prefect server: `python -m flows.deploy [WORK_POOL]`."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

from driftgate.errors import DriftgateError
from driftgate.monitors import Monitor, read_monitors
from driftgate.settings import Settings
from flows.backfill_flow import backfill_months, monitor_new_months
from flows.ingest_flow import ingest_month
from flows.monitor import monitor_month
from flows.predict_flow import predict_month
from flows.retrain_flow import retrain_after_approval, train_and_compare
from flows.train_flow import train_month

SCHEDULED, UNSCHEDULED = "monthly", "on-demand"

# A month is exported in the night after its last day. It is loaded before it is judged and scored.
DEPLOYMENTS: list[tuple[Flow[..., Any], str | None]] = [
    (ingest_month, "0 5 2 * *"),
    (monitor_new_months, "0 6 2 * *"),
    (predict_month, "0 7 2 * *"),
    (monitor_month, None),
    (backfill_months, None),
    (train_month, None),
    (train_and_compare, None),
    (retrain_after_approval, None),
]

# These judge or score one monitor in a run.
OF_ONE_MONITOR = (monitor_new_months, predict_month)

# Deployments of earlier releases whose work another one does now: left there, a month would be judged twice.
RETIRED = ("monitor_month/monthly",)


def deploy(work_pool: str) -> None:
    """Make the work pool and the deployments; safe to repeat.

    Of a deployment that is there only the code's part is renewed: where the flow is and what parameters it takes.
    Schedules, default parameters and tags belong to whoever changed them in the UI.

    Raises:
        ConfigurationError: monitors.toml is not usable; nothing was made.
    """
    monitors = read_monitors(Settings.load().driftgate_monitors)
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=work_pool, type="process"))
        for flow, cron in DEPLOYMENTS:
            for name, parameters in _named(flow, cron, monitors).items():
                wanted = flow.to_deployment(
                    name,
                    schedule=Cron(cron, timezone="UTC") if cron else None,
                    parameters=parameters,
                    work_pool_name=work_pool,
                    entrypoint_type=EntrypointType.MODULE_PATH,
                )
                assert isinstance(wanted, RunnerDeployment)
                _create_or_renew(client, wanted)
        for full_name in (*RETIRED, *_replaced(monitors)):
            with suppress(ObjectNotFound):
                client.delete_deployment(client.read_deployment_by_name(full_name).id)
                sys.stdout.write(f"[Deploy] {full_name}: removed\n")


def _named(flow: Flow[..., Any], cron: str | None, monitors: Mapping[str, Monitor]) -> dict[str, dict[str, str]]:
    """The deployments of a flow by name, with their parameters.

    A run on demand is given its monitor by whoever starts it. A schedule gives none, so each monitor has a deployment
    of its own; the only one has the plain name.
    """
    if cron is None or flow not in OF_ONE_MONITOR:
        return {SCHEDULED if cron else UNSCHEDULED: {}}
    watched = [item.name for item in monitors.values() if item.model or flow is not predict_month]
    alone = len(monitors) == 1
    return {SCHEDULED if alone else f"{SCHEDULED}-{name}": {"monitor": name} for name in watched}


def _replaced(monitors: Mapping[str, Monitor]) -> list[str]:
    """Full names of deployments from before a monitor was added or removed, whose work another one does now."""
    possible = {SCHEDULED, *(f"{SCHEDULED}-{name}" for name in monitors)}
    return [
        f"{flow.name}/{name}"
        for flow, cron in DEPLOYMENTS
        if cron and flow in OF_ONE_MONITOR
        for name in sorted(possible - set(_named(flow, cron, monitors)))
    ]


def _create_or_renew(client: SyncPrefectClient, wanted: RunnerDeployment) -> None:
    try:
        known = client.read_deployment_by_name(wanted.full_name)
    except ObjectNotFound:
        wanted.apply()
        sys.stdout.write(f"[Deploy] {wanted.full_name}: made\n")
        return
    client.update_deployment(
        known.id,
        DeploymentUpdate(
            entrypoint=wanted.entrypoint,
            description=wanted.description,
            parameter_openapi_schema=wanted._parameter_openapi_schema.model_dump(exclude_unset=True),
        ),
    )
    sys.stdout.write(f"[Deploy] {wanted.full_name}: renewed\n")


if __name__ == "__main__":
    try:
        deploy(*sys.argv[1:2] or ["driftgate"])
    except DriftgateError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(error.exit_code)
