"""Who is told, and when: of a trigger, of labels that are awaited, of a run that failed, of a promotion.

A message is sent once for each decision. One that cannot be delivered is logged, and changes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from urllib.parse import quote

from prefect import task
from prefect.logging import get_run_logger

from driftgate.database import connect
from driftgate.database.configured import connection_parameters
from driftgate.errors import UsageError
from driftgate.monitors import Monitor, read_monitor
from driftgate.notification import send
from driftgate.performance.promotion import ModelComparison
from driftgate.pushgateway import MONITOR_FLOW
from driftgate.reports.index import records_of_page
from driftgate.reports.messages import Message, decision_message, failure_message, promotion_message
from driftgate.run import Run
from driftgate.settings import Settings
from driftgate.store.decisions import is_news
from driftgate.supervision.state import read_status
from flows.runtime.environment import Runtime
from flows.runtime.pushing import Clock, failures_pushed
from flows.runtime.steps import STEP


def tell_of_decision(run: Run, settings: Settings) -> None:
    """Send the verdict page's sentence where the decision triggers or is pending, and was not made before.

    Raises:
        DriftgateError: an address did not take it.
    """
    if not run.monitor.notify or not (run.decision.triggered or run.pending):
        return
    engine = connect(connection_parameters(settings))
    try:
        if not is_news(engine, run):
            get_run_logger().info("the same was decided before: nobody is told a second time")
            return
    finally:
        engine.dispose()
    record, earlier = records_of_page(run.paths.record)
    message = decision_message(record, earlier, page_link(settings, run.paths.page))
    send(run.monitor, message.title, message.text)


def page_link(settings: Settings, page: Path) -> str:
    """Where people read a page: at DRIFTGATE_PAGES_URL, else where `driftgate up` serves it, else as a file."""
    base = settings.driftgate_pages_url
    if base is None and (status := read_status(settings.driftgate_home)) and (pages := status.part("pages")):
        base = pages.address
    if base is None:
        return page.as_uri()
    return f"{base.rstrip('/')}/{quote(page.relative_to(settings.report_dir).as_posix())}"


@contextmanager
def failures_told(settings: Settings, monitor: str, *, notify: bool = True) -> Iterator[None]:
    """Tell of a failure of the block; a call that is wrong is no failure of the monitor."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        if notify:
            _try_to_send(settings, monitor, failure_message(monitor, error))
        raise


@contextmanager
def failures_reported(runtime: Runtime, monitor: str, *, notify: bool = True) -> Iterator[Clock]:
    """Tell of a failure of a run of the monitor, and push it."""
    with (
        failures_told(runtime.settings, monitor, notify=notify),
        failures_pushed(runtime, MONITOR_FLOW, monitor) as clock,
    ):
        yield clock


@task(name="notification", **STEP)
def promotion_step(monitor: Monitor, as_of: date, comparison: ModelComparison) -> None:
    """Tell of a promotion."""
    message = promotion_message(monitor.name, as_of, comparison)
    send(monitor, message.title, message.text)


def tell_of_promotion(monitor: Monitor, as_of: date, comparison: ModelComparison) -> None:
    """Tell that another version serves, where one does; from within a flow."""
    if not monitor.notify or not comparison.promote:
        return
    state = promotion_step(monitor, as_of, comparison, return_state=True)
    if not state.is_completed():
        get_run_logger().warning("nobody was told of the promotion, which stands: %s", state.message)


def _try_to_send(settings: Settings, monitor: str, message: Message) -> None:
    try:
        send(read_monitor(settings.driftgate_monitors, monitor), message.title, message.text)
    except Exception as error:
        # The run has an error of its own, which is the one to see.
        get_run_logger().warning("nobody was told of the failure: %s", error)
