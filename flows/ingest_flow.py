"""Loading a month of source tables, and keeping the Feast repository applied."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from driftgate.features.applying import ensure_applied
from driftgate.snapshots import IngestReport
from driftgate.snapshots import ingest_month as load_month
from flows import plain_errors
from flows.retries import DATABASE_RETRIES
from flows.runtime import Runtime

plain_errors.install()


@task(name="load", cache_policy=NO_CACHE, persist_result=False, **DATABASE_RETRIES)
def load_step(here: Runtime, folder: Path, as_of: date) -> IngestReport:
    """Read, validate and write the month."""
    return load_month(here.engine, folder, as_of, progress=get_run_logger().info)


@task(name="apply", cache_policy=NO_CACHE, persist_result=False, **DATABASE_RETRIES)
def apply_step(here: Runtime) -> bool:
    """Apply the Feast repository if its files have changed."""
    return ensure_applied(here.engine, here.parameters, here.settings.feast_repo)


@flow(name="ingest_month", flow_run_name="{folder} as of {as_of}", persist_result=False)
def ingest_month(folder: Path, as_of: date) -> dict[str, Any]:
    """Load one month: `folder` holds its CSV files, `as_of` is the day on which they were taken.

    Returns:
        Rows and NULLs by table, and whether this is the newest month.

    Raises:
        DriftgateError: nothing was written; the message says why and what to do.
    """
    here = Runtime.from_environment()
    report = load_step(here, folder, as_of)
    apply_step(here)
    create_markdown_artifact(_markdown(report), key=f"ingest-{as_of}", description=f"Month {as_of}")
    return {**asdict(report), "folder": str(report.folder), "as_of": str(report.as_of)}


def _markdown(report: IngestReport) -> str:
    lines = [f"# {report.as_of} loaded in {report.seconds:.1f} s", "", "| table | rows | NULLs |", "|---|---|---|"]
    for name, rows in report.rows.items():
        nulls = ", ".join(f"{column} {count:,}" for column, count in report.nulls.get(name, {}).items())
        lines.append(f"| {name} | {rows:,} | {nulls or '-'} |")
    return "\n".join(lines)
