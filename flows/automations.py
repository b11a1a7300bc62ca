"""A Prefect automation that retrains when Driftgate says so: `python -m flows.automations [--approval]`.

It is for monitors with retrain = "off": Driftgate then starts nothing itself, and this automation does, on the event of
a trigger. With --approval the run it starts waits until a person resumes it in the Prefect UI.
"""

import sys
from datetime import timedelta
from typing import cast

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from driftgate.errors import ConfigurationError
from flows.retrain_action import LABELS_THERE, RETRAIN_DEPLOYMENT, RETRAIN_EVENT

NAME = "Driftgate: retrain on a trigger"
APPROVAL_DEPLOYMENT = "retrain_after_approval/retrain-model-after-approval"


def make_automation(approval: bool) -> Automation:
    """Make the automation on the configured Prefect server, or bring it up to date.

    Raises:
        ConfigurationError: the deployment that it is to run is not there.
    """
    wanted = Automation(
        name=NAME,
        description='Retrains the model of a monitor with retrain = "off" when it triggers.',
        trigger=EventTrigger(
            expect={RETRAIN_EVENT},
            match={
                "prefect.resource.id": "driftgate.monitor.*",
                "driftgate.retrain": "off",
                "driftgate.labels": LABELS_THERE,
            },
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            RunDeployment(
                source="selected",
                deployment_id=_deployment(APPROVAL_DEPLOYMENT if approval else RETRAIN_DEPLOYMENT),
                parameters={name: _from_payload(key) for name, key in (("as_of", "as_of_cur"), ("monitor", "monitor"))},
            )
        ],
    )
    try:
        known = cast(Automation, Automation.read(name=NAME))
    except ValueError:
        return cast(Automation, wanted.create())
    # Whether it is switched on belongs to whoever switched it in the UI.
    wanted.id, wanted.enabled = known.id, known.enabled
    wanted.update()
    return wanted


def _from_payload(key: str) -> dict[str, str]:
    return {"__prefect_kind": "jinja", "template": f"{{{{ event.payload.{key} }}}}"}


def _deployment(name: str):  # type: ignore[no-untyped-def]
    with get_client(sync_client=True) as client:
        try:
            return client.read_deployment_by_name(name).id
        except ObjectNotFound as error:
            raise ConfigurationError(
                f"there is no deployment {name} on {client.api_url}",
                remedy="make it with `python -m flows.deploy`; `docker compose up` does so",
            ) from error


if __name__ == "__main__":
    made = make_automation("--approval" in sys.argv[1:])
    sys.stdout.write(f"[Automation] {made.name}\n")
