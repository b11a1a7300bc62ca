"""Commands of the service: materialize, skew, serve."""

import os
from typing import Annotated

import typer

from driftgate.pairs import parse_as_of
from driftgate.process import become

commands = typer.Typer()

MonitorName = Annotated[str | None, typer.Option(help="Heading in monitors.toml; by default the only one")]


@commands.command()
def materialize(
    as_of: Annotated[str | None, typer.Option(help="Month to serve, YYYY-MM-DD; by default the newest")] = None,
    monitor: MonitorName = None,
) -> None:
    """Put a month into the online store, in place of the one that is there; safe to repeat."""
    from flows.runtime.environment import Runtime, feature_worker

    day = parse_as_of(as_of) if as_of is not None else None
    runtime = Runtime.from_environment()
    worker = feature_worker(runtime.parameters)
    from driftgate.features.online import materialize_month
    from driftgate.monitors import read_monitor

    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    month = materialize_month(worker, runtime.engine, chosen, chosen.feast_repo or runtime.settings.feast_repo, day)
    done = "is served" if month.written else "is newer and stays"
    typer.echo(f"[Materialize] as_of={month.as_of} entities={month.entities:,} {done}")


@commands.command()
def skew(
    as_of: Annotated[str | None, typer.Argument(help="Month to check, YYYY-MM-DD; by default the one served")] = None,
    monitor: MonitorName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the lines")] = False,
) -> None:
    """Compare the features that are served with those of the offline join, row by row."""
    from flows.runtime.environment import Runtime, feature_worker
    from flows.runtime.local_server import start_prefect

    day = parse_as_of(as_of) if as_of is not None else None
    wait_for_prefect = start_prefect()
    feature_worker(Runtime.from_environment().parameters)
    from flows.skew_flow import check_skew

    wait_for_prefect()
    found = check_skew(day, monitor)
    from driftgate.reports.skew import skew_document, skew_lines

    for line in [skew_document(found)] if as_json else skew_lines(found):
        typer.echo(line)


@commands.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on", min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Processes that answer", min=1, max=64)] = 1,
    monitor: MonitorName = None,
) -> None:
    """Serve predictions over HTTP until Ctrl-C; what each endpoint takes is at /docs."""
    if monitor is not None:
        os.environ["API_MONITOR"] = monitor
    # In place of this process: the service is no part of the flows, and its signals and exit status are its own.
    # -P, because a folder `services` where the command is called is not meant.
    become(["-P", "-m", "services.api", "--host", host, "--port", str(port), "--workers", str(workers)])
