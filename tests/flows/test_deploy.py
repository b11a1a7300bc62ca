"""The deployments: made once, renewed in their code's part alone, and what is retired is removed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

# Prefect takes the address of its server when it is imported, so nothing here imports it before there is one.
POOL = "pool-of-test-deploy"
SCHEDULED = {
    "ingest_month/load-new-months": "0 5 2 * *",
    "monitor_new_months/judge-new-months": "0 6 2 * *",
    "predict_month/score-newest-month": "0 7 2 * *",
    "check_skew/check-served-features": "0 8 * * *",
}
ON_DEMAND = {
    "monitor_month/judge-two-months",
    "backfill_months/judge-past-months",
    "train_month/train-model",
    "train_and_compare/retrain-model",
    "retrain_after_approval/retrain-model-after-approval",
}
FULL_NAMES = {*SCHEDULED, *ON_DEMAND}


@pytest.fixture(scope="module")
def client(prefect_api: str) -> Iterator["SyncPrefectClient"]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as made:
        yield made
        # The server is shared with other tests.
        for deployment in made.read_deployments():
            made.delete_deployment(deployment.id)
        made.delete_work_pool(POOL)


@pytest.fixture(scope="module")
def said(client: "SyncPrefectClient") -> list[str]:
    """What the first two calls print; between them somebody has changed a deployment in the UI."""
    from prefect.client.schemas.actions import DeploymentScheduleUpdate, DeploymentUpdate
    from prefect.client.schemas.schedules import CronSchedule

    from flows import deploy as module

    deploy = module.deploy
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.sys.stdout, "write", lines.append)
        deploy(POOL)
        lines.append("again\n")
        changed = client.read_deployment_by_name("monitor_new_months/judge-new-months")
        client.update_deployment(
            changed.id,
            DeploymentUpdate(parameters={"monitor": "another"}, tags=["ours"], entrypoint="gone.module.flow"),
        )
        (schedule,) = changed.schedules
        client._client.patch(
            f"/deployments/{changed.id}/schedules/{schedule.id}",
            json=DeploymentScheduleUpdate(
                active=False, schedule=CronSchedule(cron="0 9 3 * *", timezone="UTC")
            ).model_dump(mode="json", exclude_unset=True),
        ).raise_for_status()
        deploy(POOL)
    return "".join(lines).splitlines()


def by_name(client: "SyncPrefectClient", name: str) -> Any:
    return client.read_deployment_by_name(name)


def test_every_flow_is_deployed_once_and_then_renewed(said: list[str], client: "SyncPrefectClient") -> None:
    first, second = said[: said.index("again")], said[said.index("again") + 1 :]
    made = {line.removeprefix("[Deploy] ").rpartition(":")[0] for line in first}
    assert made == FULL_NAMES
    assert second == [line.replace(": made", ": renewed") for line in first]
    for name in FULL_NAMES:
        found = by_name(client, name)
        assert found.work_pool_name == POOL
        assert found.entrypoint.startswith("flows.") and found.entrypoint.endswith(name.partition("/")[0])
        assert found.description.endswith(".") and len(found.description) < 90


def test_what_people_changed_stays_and_the_codes_part_is_renewed(said: list[str], client: "SyncPrefectClient") -> None:
    found = by_name(client, "monitor_new_months/judge-new-months")
    assert found.entrypoint == "flows.backfill_flow.monitor_new_months"
    assert (found.parameters, found.tags) == ({"monitor": "another"}, ["ours"])
    (schedule,) = found.schedules
    assert not schedule.active and schedule.schedule.cron == "0 9 3 * *"


def test_only_what_comes_back_is_scheduled_in_its_order(said: list[str], client: "SyncPrefectClient") -> None:
    crons = {}
    changed = "monitor_new_months/judge-new-months"
    for name in FULL_NAMES - {changed}:
        for schedule in by_name(client, name).schedules:
            crons[name] = schedule.schedule.cron
    assert crons == {name: cron for name, cron in SCHEDULED.items() if name != changed}


def test_the_parameters_are_those_of_the_flows(said: list[str], client: "SyncPrefectClient") -> None:
    schema = by_name(client, "train_and_compare/retrain-model").parameter_openapi_schema
    assert set(schema["properties"]) == {"as_of", "delta", "monitor", "seed"}
    assert json.dumps(schema["properties"]["as_of"]).count("date") >= 1


SECOND = """
[second]
feature_service = "second_v1"

[second.entity]
table = "visits"
key = "visitor"
timestamp = "day"
"""


def test_each_of_several_monitors_has_a_schedule_of_its_own(
    said: list[str], client: "SyncPrefectClient", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has no model, so that there is nothing to predict with; back at one, the plain names are there."""
    from flows.deploy import deploy

    first = (ROOT / "flows" / "monitors.toml").read_text()
    monkeypatch.setenv("DRIFTGATE_MONITORS", str(tmp_path / "monitors.toml"))
    for content, expected in (
        (
            first + SECOND,
            {
                "ingest_month/load-new-months": {},
                "monitor_new_months/judge-new-months-churn": {"monitor": "churn"},
                "monitor_new_months/judge-new-months-second": {"monitor": "second"},
                "predict_month/score-newest-month-churn": {"monitor": "churn"},
                "check_skew/check-served-features-churn": {"monitor": "churn"},
            },
        ),
        (
            first,
            {
                "ingest_month/load-new-months": {},
                "monitor_new_months/judge-new-months": {"monitor": "churn"},
                "monitor_new_months/judge-new-months-second": {"monitor": "second"},
                "predict_month/score-newest-month": {"monitor": "churn"},
                "check_skew/check-served-features": {"monitor": "churn"},
            },
        ),
    ):
        (tmp_path / "monitors.toml").write_text(content)
        deploy(POOL)
        flow_names = {flow.id: flow.name for flow in client.read_flows()}
        scheduled = {
            f"{flow_names[item.flow_id]}/{item.name}": item.parameters
            for item in client.read_deployments()
            if item.work_pool_name == POOL and item.schedules
        }
        assert scheduled == expected
    # Of a monitor that is gone nobody but its owner knows the deployments.
    client.delete_deployment(by_name(client, "monitor_new_months/judge-new-months-second").id)


def test_deployments_of_an_earlier_release_are_replaced_with_what_people_changed(
    said: list[str], client: "SyncPrefectClient"
) -> None:
    """One of them judged the newest pair every month, which another one does now; the other was only renamed."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.exceptions import ObjectNotFound

    from flows.deploy import RETIRED, deploy

    (retired,) = RETIRED
    renamed, name = "ingest_month/monthly", "ingest_month/load-new-months"
    at_nine = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 9 2 * *", timezone="UTC"), active=False)
    for full_name in (retired, renamed):
        flow_name, _, deployment = full_name.partition("/")
        flow_id = next(flow.id for flow in client.read_flows() if flow.name == flow_name)
        client.create_deployment(flow_id=flow_id, name=deployment, schedules=[at_nine], tags=["ours"])
    client.delete_deployment(by_name(client, name).id)
    deploy(POOL)
    for full_name in (retired, renamed):
        with pytest.raises(ObjectNotFound):
            by_name(client, full_name)
    found = by_name(client, name)
    (schedule,) = found.schedules
    assert (found.tags, schedule.active, schedule.schedule.cron) == (["ours"], False, "0 9 2 * *")
    by_name(client, "monitor_month/judge-two-months")
