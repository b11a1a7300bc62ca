"""What follows a decision: an event for automations, and, where the monitor says so, a retraining."""

from typing import cast

from prefect import task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger

from driftgate.errors import ConfigurationError
from driftgate.monitors import Monitor
from driftgate.run import Run
from flows.runtime.steps import STEP

RETRAIN_EVENT = "driftgate.decision.retrain"
NO_ACTION_EVENT = "driftgate.decision.no_action"
RETRAIN_DEPLOYMENT = "train_and_compare/retrain-model"
LABELS_THERE, LABELS_PENDING = "there", "pending"


def require_retraining(monitor: Monitor) -> None:
    """Check, before anything slow, that a trigger could start what the monitor wants it to.

    Raises:
        ConfigurationError: the deployment is not on this Prefect server.
    """
    if monitor.retrain != "deployment":
        return
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(RETRAIN_DEPLOYMENT)
        except ObjectNotFound as error:
            raise ConfigurationError(
                f"{monitor.name!r} retrains by deployment, and {client.api_url} has no {RETRAIN_DEPLOYMENT}",
                remedy='make it with `python -m flows.deploy`, run in the stack, or set retrain = "simulated"',
            ) from error


def retrain(run: Run) -> None:
    """Start a retraining where a trigger is meant to; a rerun starts none a second time.

    Where the month's labels are not all there yet nothing is started, because there is nothing to learn from: the run
    that completes the record starts it.
    """
    if not run.decision.triggered:
        return
    if run.decision.retrain != "deployment":
        get_run_logger().info("%s: nothing is started, retrain = %r", run.decision.label, run.decision.retrain)
    elif _labels(run) == LABELS_PENDING:
        share = f"{100 * run.target.labelled_cur:.0f}%"
        get_run_logger().warning("retraining waits for the labels of %s: %s are there", run.drift.as_of_cur, share)
    else:
        get_run_logger().warning("retraining started: flow run %s", start_step(run))


# The server may be busy for a moment; a second try starts no second retraining, see `_key`.
@task(name="start-retraining", retries=3, retry_delay_seconds=[1, 5, 15], **STEP)
def start_step(run: Run) -> str:
    """Start the retraining of this pair, unless there is one that did not fail; returns its name."""
    return str(_start(run).name)


def _start(run: Run) -> FlowRun:
    for attempt in range(1, 100):
        started = cast(
            FlowRun,
            run_deployment(
                RETRAIN_DEPLOYMENT,
                parameters={"as_of": str(run.drift.as_of_cur), "monitor": run.monitor.name},
                timeout=0,
                idempotency_key=_key(run) if attempt == 1 else f"{_key(run)}-{attempt}",
                as_subflow=False,
            ),
        )
        state = started.state
        if state is None or not (state.is_failed() or state.is_crashed() or state.is_cancelled()):
            break
    return started


def announce(run: Run) -> None:
    """Emit the decision as a Prefect event; its payload is what an automation needs to start a retraining."""
    emit_event(
        RETRAIN_EVENT if run.decision.triggered else NO_ACTION_EVENT,
        resource={
            "prefect.resource.id": f"driftgate.monitor.{run.monitor.name}",
            "prefect.resource.name": run.monitor.name,
            "driftgate.retrain": run.decision.retrain,
            "driftgate.labels": _labels(run),
        },
        payload={
            "monitor": run.monitor.name,
            "as_of_ref": str(run.drift.as_of_ref),
            "as_of_cur": str(run.drift.as_of_cur),
            "verdict": run.decision.label,
            "reasons": list(run.decision.reasons),
            "report_html": str(run.paths.html),
        },
    )


def _labels(run: Run) -> str:
    """Whether there are enough labels of the current month to train on it."""
    return LABELS_THERE if run.target.labelled_cur >= run.monitor.min_label_share else LABELS_PENDING


def _key(run: Run) -> str:
    """The same for every run of a pair against the same champion."""
    pair = f"{run.drift.as_of_ref}-{run.drift.as_of_cur}"
    return f"driftgate-{run.monitor.name}-{pair}-champion-{run.performance.version or 'none'}"
