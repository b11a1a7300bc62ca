"""Commands over many runs: backfill, runs, show."""

import os
import sys
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

import typer

from driftgate.errors import bounded
from driftgate.pairs import parse_as_of

commands = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the lines")]
MonitorName = Annotated[str | None, typer.Option(help="Heading in monitors.toml; by default the only one")]


@commands.command()
def backfill(
    start: Annotated[str | None, typer.Option("--from", help="First current month, YYYY-MM-DD")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last current month, YYYY-MM-DD")] = None,
    reference: Annotated[str, typer.Option(help="previous, fixed:YYYY-MM-DD or rolling:N")] = "previous",
    monitor: MonitorName = None,
    again: Annotated[bool, typer.Option("--again", help="Judge anew what has a verdict")] = False,
    reports: Annotated[
        Literal["all", "triggered", "none"], typer.Option(help="Of which decisions Evidently's report is drawn")
    ] = "triggered",
) -> None:
    """Judge every pair of loaded months that has no verdict yet; interrupted, it goes on where it was."""
    from driftgate.monitors import read_monitor
    from driftgate.pairs import history_pairs, parse_reference
    from driftgate.planning import Reports
    from flows.runtime.environment import Runtime, start_workers
    from flows.runtime.local_server import start_prefect

    found, bounds = parse_reference(reference), (_date(start), _date(end))
    # Otherwise each month's lines would tear the progress bar.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING" if sys.stderr.isatty() else "INFO")
    wait_for_prefect = start_prefect()
    runtime = Runtime.from_environment()
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    drawn = Reports(reports)
    start_workers(runtime, draw=drawn is Reports.ALL)
    # Before anything slower.
    history_pairs(runtime.months(chosen), found, *bounds)
    from flows.backfill_flow import backfill_months

    wait_for_prefect()
    outcomes = backfill_months(*bounds, reference, chosen.name, again, print_lines=True, reports=drawn)
    if not outcomes:
        typer.echo("[Backfill] every pair has a verdict; --again judges them anew, `driftgate runs` lists them")


@commands.command()
def runs(
    monitor: MonitorName = None,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest")] = 24,
    as_json: Json = False,
) -> None:
    """List the runs of a monitor, newest month last."""
    from driftgate.monitors import read_monitor
    from driftgate.reports.terminal import runs_document, runs_table
    from driftgate.store.history import past_runs
    from flows.runtime.environment import Runtime

    runtime = Runtime.from_environment()
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    found = past_runs(runtime.engine, chosen.name)[-last:]
    for line in [runs_document(chosen.name, found)] if as_json else runs_table(found):
        typer.echo(line)


@commands.command()
def show(
    as_of_cur: Annotated[str | None, typer.Argument(help="The month judged; by default the newest")] = None,
    as_of_ref: Annotated[str | None, typer.Option(help="Its reference, where it was judged against several")] = None,
    monitor: MonitorName = None,
    as_json: Json = False,
) -> None:
    """Show one run: its reasons, its columns, and what it would take to flip it."""
    from driftgate.monitors import read_monitor
    from driftgate.reports.terminal import run_document, run_lines
    from driftgate.store.history import other_references, past_record
    from flows.runtime.environment import Runtime

    runtime = Runtime.from_environment()
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    record = past_record(runtime.engine, chosen.name, _date(as_of_cur), _date(as_of_ref))
    if as_json:
        typer.echo(run_document(record))
        return
    others = other_references(runtime.engine, chosen.name, record.pair)
    for line in [*run_lines(record), *_others_line(others, record.pair[1], monitor)]:
        typer.echo(line)


def _others_line(others: Sequence[date], as_of_cur: date, monitor: str | None) -> list[str]:
    """What else the month was judged against, and the command that shows it; nothing where there is nothing."""
    if not others:
        return []
    named = f" --monitor {monitor}" if monitor else ""
    command = f"driftgate show {as_of_cur} --as-of-ref {others[-1]}{named}"
    return [f"{as_of_cur} was also judged against {bounded(others[::-1])}: `{command}`"]


def _date(text: str | None) -> date | None:
    return parse_as_of(text) if text is not None else None
