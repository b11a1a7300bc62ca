"""Commands that change which model serves: retrain, rollback."""

from typing import Annotated

import typer

from driftgate.pairs import parse_as_of

commands = typer.Typer()

MonitorName = Annotated[str | None, typer.Option(help="Heading in monitors.toml; by default the only one")]


@commands.command()
def retrain(
    as_of: Annotated[str | None, typer.Option(help="Month to train on; by default the newest with labels")] = None,
    delta: Annotated[
        float, typer.Option(help="Least gain that is worth a change: of the AUC, or a part of the error")
    ] = 0.01,
    monitor: MonitorName = None,
) -> None:
    """Train a challenger, hold it against the champion, and promote it where it surely wins."""
    from driftgate.monitors import read_monitor
    from driftgate.performance.promotion import require_delta
    from flows.runtime.environment import Runtime, feature_worker
    from flows.runtime.local_server import start_prefect

    day = parse_as_of(as_of) if as_of is not None else None
    require_delta(delta)
    wait_for_prefect = start_prefect()
    runtime = Runtime.from_environment()
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    feature_worker(runtime.parameters)
    from driftgate.reports.promotion import comparison_line
    from flows.retrain_flow import train_and_compare

    wait_for_prefect()
    typer.echo(comparison_line(train_and_compare(day, delta, chosen.name)))


@commands.command()
def rollback(monitor: MonitorName = None) -> None:
    """Make the version champion again that the present one replaced."""
    from driftgate.monitors import read_monitor
    from driftgate.performance.scoring import require_registry
    from flows.runtime.environment import Runtime

    runtime = Runtime.from_environment()
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    registry = require_registry(runtime.parameters, runtime.settings.mlflow_artifacts, chosen)
    typer.echo(f"[Rollback] model={registry.name} champion=v{registry.rollback()}")


@commands.command()
def promote(
    version: Annotated[str, typer.Argument(help="As `driftgate train` printed it")], monitor: MonitorName = None
) -> None:
    """Make a version the champion without a comparison, as where the champion's files are gone."""
    from driftgate.monitors import read_monitor
    from driftgate.performance.scoring import require_registry
    from flows.runtime.environment import Runtime

    runtime = Runtime.from_environment()
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    registry = require_registry(runtime.parameters, runtime.settings.mlflow_artifacts, chosen)
    registry.promote(version)
    typer.echo(f"[Promote] model={registry.name} champion=v{version}")
