"""The deployments, made or brought up to date on the Prefect server: `python -m flows.deploy [WORK_POOL]`."""

import sys
from contextlib import suppress
from typing import Any

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.schedules import Cron
from prefect.types.entrypoint import EntrypointType

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

# Deployments of earlier releases whose work another one does now: left there, a month would be judged twice.
RETIRED = ("monitor_month/monthly",)


def deploy(work_pool: str) -> None:
    """Make the work pool and the deployments; safe to repeat.

    Of a deployment that is there only the code's part is renewed: where the flow is and what parameters it takes.
    Schedules, default parameters and tags belong to whoever changed them in the UI.
    """
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=work_pool, type="process"))
        for flow, cron in DEPLOYMENTS:
            wanted = flow.to_deployment(
                SCHEDULED if cron else UNSCHEDULED,
                schedule=Cron(cron, timezone="UTC") if cron else None,
                work_pool_name=work_pool,
                entrypoint_type=EntrypointType.MODULE_PATH,
            )
            assert isinstance(wanted, RunnerDeployment)
            _create_or_renew(client, wanted)
        for name in RETIRED:
            with suppress(ObjectNotFound):
                client.delete_deployment(client.read_deployment_by_name(name).id)
                sys.stdout.write(f"[Deploy] {name}: removed\n")


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
    deploy(*sys.argv[1:2] or ["driftgate"])
