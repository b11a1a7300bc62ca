"""The command that measures months: what a verdict is computed from."""

from typing import Annotated

import typer

from driftgate.errors import UsageError
from driftgate.pairs import parse_as_of

commands = typer.Typer()


@commands.command()
def profile(
    as_of: Annotated[str | None, typer.Argument(help="Month to measure, YYYY-MM-DD; by default the newest")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every loaded month")] = False,
    again: Annotated[bool, typer.Option("--again", help="Measure also what is kept and still holds")] = False,
    monitor: Annotated[str | None, typer.Option(help="Heading in monitors.toml; by default the only one")] = None,
) -> None:
    """Measure months and keep what was measured, where it is missing or no longer holds."""
    from driftgate.monitors import read_monitor
    from driftgate.pairs import chosen_month
    from flows.runtime.environment import Runtime, feature_worker
    from flows.runtime.progress import tracked

    if as_of is not None and every:
        raise UsageError("both a month and --all are given", allowed="one of them, or neither for the newest month")
    day = parse_as_of(as_of) if as_of is not None else None
    runtime = Runtime.from_environment()
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    feature_worker(runtime.parameters)
    months = runtime.months(chosen)
    wanted = months if every else [chosen_month(months, day)]
    landing = runtime.landing(chosen, lambda _: None)
    for month in tracked(wanted, "measuring", str):
        found = landing.land([month], "it was asked for" if again else "")[month]
        how = f"measured ({found.why})" if found.why else "kept (its sources are as they were)"
        typer.echo(f"[Profile] {chosen.name} {month} entities={found.state.size.entities:,} {how}")
