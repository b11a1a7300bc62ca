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

from flows.ingest_flow import ingest_month
from flows.monitor_flow import monitor_month

NAME = "monthly"

# A month is exported in the night after its last day. It is loaded before it is judged.
SCHEDULES: list[tuple[Flow[..., Any], str]] = [
    (ingest_month, "0 5 2 * *"),
    (monitor_month, "0 6 2 * *"),
]


def deploy(work_pool: str) -> None:
    """Make the work pool and the deployments; safe to repeat.

    Of a deployment that is there only the code's part is renewed: where the flow is and what parameters it takes.
    Schedules, default parameters and tags belong to whoever changed them in the UI.
    """
    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=work_pool, type="process"))
        for flow, cron in SCHEDULES:
            wanted = flow.to_deployment(
                NAME,
                schedule=Cron(cron, timezone="UTC"),
                work_pool_name=work_pool,
                entrypoint_type=EntrypointType.MODULE_PATH,
            )
            assert isinstance(wanted, RunnerDeployment)
            _create_or_renew(client, wanted)


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
