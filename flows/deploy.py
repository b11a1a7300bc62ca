"""The deployments, made or brought up to date on the Prefect server: `python -m flows.deploy [WORK_POOL]`."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
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
from flows.runtime.lost_runs import mark_lost_runs
from flows.skew_flow import check_skew
from flows.train_flow import train_month


class For(Enum):
    """What one run of a deployment is about. A schedule is given no monitor, so each monitor has its own."""

    ANY = "what the run is given, or all"
    EACH_MONITOR = "one monitor"
    EACH_MODEL = "one monitor that has a model"


@dataclass(frozen=True)
class Deployed:
    """A flow on the server.

    Attributes:
        name: what it does; with several monitors the monitor's name follows where it is for each of them.
        about: the same in a sentence.
        earlier: its name in releases before.
    """

    flow: Flow[..., Any]
    name: str
    about: str
    cron: str | None = None
    each: For = For.ANY
    earlier: str = ""

    def names(self, monitors: Mapping[str, Monitor]) -> dict[str, dict[str, str]]:
        """The deployments by name, with their parameters. That of the only monitor has the plain name."""
        if self.each is For.ANY:
            return {self.name: {}}
        watched = [item.name for item in monitors.values() if item.model or self.each is For.EACH_MONITOR]
        alone = len(monitors) == 1
        return {self.name if alone else f"{self.name}-{name}": {"monitor": name} for name in watched}

    def replaced(self, monitors: Mapping[str, Monitor]) -> list[str]:
        """Names of earlier releases, or from before a monitor was added or removed; another one does their work."""
        bases = [name for name in (self.name, self.earlier) if name]
        possible = [f"{base}{end}" for base in bases for end in ("", *(f"-{name}" for name in monitors))]
        return [name for name in possible if name not in self.names(monitors)]


# A month is exported in the night after its last day. It is loaded before it is judged and scored.
DEPLOYMENTS = (
    Deployed(
        ingest_month,
        "load-new-months",
        "Loads every month folder that is not loaded yet.",
        "0 5 2 * *",
        earlier="monthly",
    ),
    Deployed(
        monitor_new_months,
        "judge-new-months",
        "Judges each month since the last verdict, and pairs whose labels were pending.",
        "0 6 2 * *",
        For.EACH_MONITOR,
        earlier="monthly",
    ),
    Deployed(
        predict_month,
        "score-newest-month",
        "Scores every entity of the newest month with the champion.",
        "0 7 2 * *",
        For.EACH_MODEL,
        earlier="monthly",
    ),
    Deployed(
        check_skew,
        "check-served-features",
        "Compares the features that are served with those that are learnt.",
        "0 8 * * *",
        For.EACH_MODEL,
    ),
    Deployed(monitor_month, "judge-two-months", "Judges one pair of months.", earlier="on-demand"),
    Deployed(
        backfill_months,
        "judge-past-months",
        "Judges every pair of loaded months that has no verdict yet.",
        earlier="on-demand",
    ),
    Deployed(train_month, "train-model", "Trains the monitor's model on one month.", earlier="on-demand"),
    Deployed(
        train_and_compare,
        "retrain-model",
        "Trains a challenger and promotes it where it surely wins.",
        earlier="on-demand",
    ),
    Deployed(
        retrain_after_approval,
        "retrain-model-after-approval",
        "Waits until a person resumes it in the UI, then trains and compares.",
        earlier="on-demand",
    ),
)

# A deployment of earlier releases whose work another one does now: left there, a month would be judged twice.
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
        for item in DEPLOYMENTS:
            for name, parameters in item.names(monitors).items():
                _create_or_renew(client, item, _wanted(item, name, parameters, work_pool))
        replaced = [f"{item.flow.name}/{name}" for item in DEPLOYMENTS for name in item.replaced(monitors)]
        for full_name in (*RETIRED, *replaced):
            if known := _read(client, full_name):
                client.delete_deployment(known.id)
                sys.stdout.write(f"[Deploy] {full_name}: removed\n")


def _wanted(item: Deployed, name: str, parameters: dict[str, str], work_pool: str) -> RunnerDeployment:
    wanted = item.flow.to_deployment(
        name,
        schedule=Cron(item.cron, timezone="UTC") if item.cron else None,
        parameters=parameters,
        description=item.about,
        work_pool_name=work_pool,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(wanted, RunnerDeployment)
    return wanted


def _create_or_renew(client: SyncPrefectClient, item: Deployed, wanted: RunnerDeployment) -> None:
    if known := _read(client, wanted.full_name):
        client.update_deployment(
            known.id,
            DeploymentUpdate(
                entrypoint=wanted.entrypoint,
                description=wanted.description,
                parameter_openapi_schema=wanted._parameter_openapi_schema.model_dump(exclude_unset=True),
            ),
        )
        sys.stdout.write(f"[Deploy] {wanted.full_name}: renewed\n")
        return
    earlier = wanted.full_name.replace(f"/{item.name}", f"/{item.earlier}")
    if item.earlier and (before := _read(client, earlier)):
        # Prefect renames no deployment. What people changed goes along.
        wanted.parameters, wanted.tags, wanted.paused = before.parameters, before.tags, before.paused
        wanted.schedules = [
            DeploymentScheduleCreate(schedule=each.schedule, active=each.active) for each in before.schedules
        ]
    wanted.apply()
    sys.stdout.write(f"[Deploy] {wanted.full_name}: made\n")


def _read(client: SyncPrefectClient, full_name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(full_name)
    except ObjectNotFound:
        return None


if __name__ == "__main__":
    try:
        deploy(*sys.argv[1:2] or ["driftgate"])
        # Those of a worker that was killed with its runs.
        mark_lost_runs(Settings.load().driftgate_home)
    except DriftgateError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(error.exit_code)
