"""Loading a month of source tables, and keeping the Feast repository applied."""

from datetime import date
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from driftgate.errors import DatabaseUnavailableError, DriftgateError, UsageError
from driftgate.features.applying import ensure_applied
from driftgate.features.online import OnlineMonth, materialize_month
from driftgate.features.repository import require_repository
from driftgate.monitors import Monitor, read_monitors
from driftgate.snapshots import IngestReport
from driftgate.snapshots import ingest_month as load_month
from driftgate.snapshots.dates import require_possible
from driftgate.snapshots.folders import as_of_of
from driftgate.snapshots.loaded import new_months
from driftgate.snapshots.unfinished import UnfinishedLoad, find_unfinished, remove_marks
from flows.runtime import plain_errors
from flows.runtime.artifacts import artifact_key
from flows.runtime.environment import Runtime, feature_worker
from flows.runtime.steps import DATABASE_RETRIES, FLOW, STEP
from flows.worked_case import SOURCE_TABLES

plain_errors.install()


def _run_name() -> str:
    given = flow_run.parameters
    return f"{given['folder']} as of {given.get('as_of') or 'its name'}" if given.get("folder") else "new months"


@task(name="load", **STEP, **DATABASE_RETRIES)
def load_step(runtime: Runtime, folder: Path, as_of: date) -> IngestReport:
    """Read, validate and write the month."""
    return load_month(runtime.engine, SOURCE_TABLES, folder, as_of, progress=get_run_logger().info)


@task(name="apply", **STEP, **DATABASE_RETRIES)
def apply_step(runtime: Runtime) -> bool:
    """Apply the Feast repository if its files have changed."""
    return ensure_applied(runtime.engine, runtime.parameters, runtime.settings.feast_repo)


@task(name="materialize", **STEP, **DATABASE_RETRIES)
def materialize_step(runtime: Runtime) -> list[OnlineMonth]:
    """Put the newest month into the online store, for every monitor of these tables whose model is served."""
    return [
        materialize_month(feature_worker(runtime.parameters), runtime.engine, monitor, runtime.repository(monitor))
        for monitor in read_monitors(runtime.settings.driftgate_monitors).values()
        if monitor.model and _of_these_tables(runtime, monitor)
    ]


@task(name="profiles", **STEP, **DATABASE_RETRIES)
def profiles_step(runtime: Runtime, months: list[date]) -> None:
    """Measure the months for every monitor that has them, and keep what was measured; the monitor will read that."""
    log = get_run_logger()
    for monitor in read_monitors(runtime.settings.driftgate_monitors).values():
        try:
            there = set(runtime.months(monitor))
            landing = runtime.landing(monitor, log.info)
            again = "it was loaded" if _of_these_tables(runtime, monitor) else ""
            landing.land([month for month in months if month in there], again)
        except DatabaseUnavailableError:
            raise
        except DriftgateError as error:
            # The month is loaded all the same.
            log.warning("%s: not measured, which the monitor will try again: %s", monitor.name, error)


def _of_these_tables(runtime: Runtime, monitor: Monitor) -> bool:
    """Whether the entities are in a table that is loaded here; a source is looked up in the repository applied here."""
    table, repo = monitor.entity.table, runtime.repository(monitor)
    if monitor.entity.source is not None and repo == runtime.settings.feast_repo:
        table = feature_worker(runtime.parameters).table_of(repo, monitor.entity.source)
    return table in SOURCE_TABLES.snapshots


@task(name="find-new-months", **STEP, **DATABASE_RETRIES)
def find_step(runtime: Runtime) -> list[tuple[Path, date]]:
    """The month folders below DRIFTGATE_DATA that are not loaded."""
    # A load that was cut off is finished also where its folder is gone.
    required = not find_unfinished(runtime.engine)
    months = new_months(runtime.engine, SOURCE_TABLES, runtime.settings.driftgate_data, required=required)
    if not months:
        get_run_logger().warning("no new month below %s; nothing is loaded", runtime.settings.driftgate_data)
    return months


@task(name="find-unfinished-loads", **STEP, **DATABASE_RETRIES)
def unfinished_step(runtime: Runtime, loaded: list[date]) -> list[UnfinishedLoad]:
    """The loads that have to be finished: those of this run, and those that an earlier one was cut off from."""
    found = find_unfinished(runtime.engine)
    for load in found:
        if load.as_of not in loaded:
            get_run_logger().warning("%s; this run finishes it", load.text.partition(";")[0])
    return found


@task(name="end-loads", **STEP, **DATABASE_RETRIES)
def end_step(runtime: Runtime, loads: list[UnfinishedLoad]) -> None:
    """What follows the tables is written."""
    remove_marks(runtime.engine, loads)


@flow(name="ingest_month", flow_run_name=_run_name, **FLOW)
def ingest_month(folder: Path | None = None, as_of: date | None = None) -> list[IngestReport]:
    """Load a month, or every month folder below DRIFTGATE_DATA that is not loaded yet; finish loads that were cut off.

    Args:
        folder: holds the CSV files of one month.
        as_of: the day on which they were taken; by default as the folder's name says.

    Returns:
        Rows and NULLs by table, and whether it is the newest, for each month loaded.

    Raises:
        DriftgateError: that month was not loaded; the message says why and what to do.
    """
    runtime = Runtime.from_environment()
    # Before anything is written, as what follows the tables needs both.
    require_repository(runtime.settings.feast_repo)
    read_monitors(runtime.settings.driftgate_monitors)
    months = [(folder, as_of or _day_of(folder))] if folder else find_step(runtime)
    for _, day in months:
        # Before the first is written: of a folder with an impossible name the others are not half the load.
        require_possible(day)
    reports = []
    for month, day in months:
        report = load_step(runtime, month, day)
        create_markdown_artifact(_markdown(report), key=artifact_key("ingest", day), description=f"Month {day}")
        reports.append(report)
    apply_step(runtime)
    loads = unfinished_step(runtime, [report.as_of for report in reports])
    if loads:
        materialize_step(runtime)
        profiles_step(runtime, [load.as_of for load in loads])
        end_step(runtime, loads)
    return reports


def _day_of(folder: Path) -> date:
    day = as_of_of(folder.name)
    if day is None:
        raise UsageError(f"the name of {folder} says no date", remedy="give as_of as well, YYYY-MM-DD")
    return day


def _markdown(report: IngestReport) -> str:
    lines = [f"# {report.as_of} loaded in {report.seconds:.1f} s", "", "| table | rows | NULLs |", "|---|---|---|"]
    for name, rows in report.rows.items():
        nulls = ", ".join(f"{column} {count:,}" for column, count in report.nulls.get(name, {}).items())
        lines.append(f"| {name} | {rows:,} | {nulls or '-'} |")
    return "\n".join(lines)
