"""Commands of the watched model: train, predict."""

from typing import Annotated

import typer

from driftgate.pairs import parse_as_of

commands = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the line")]
MonitorName = Annotated[str | None, typer.Option(help="Heading in monitors.toml; by default the only one")]


@commands.command()
def train(
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Month to train on, YYYY-MM-DD; by default the newest that leaves a later labelled one to judge"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split of entities and of the trees; same seed, same model")] = 42,
    monitor: MonitorName = None,
    as_json: Json = False,
) -> None:
    """Train the monitor's model on one month and register it; safe to repeat."""
    from flows.runtime.environment import Runtime, feature_worker
    from flows.runtime.local_server import start_prefect

    day = parse_as_of(as_of) if as_of is not None else None
    wait_for_prefect = start_prefect()
    feature_worker(Runtime.from_environment().parameters)
    from flows.train_flow import train_month

    wait_for_prefect()
    trained = train_month(day, seed, monitor)
    from driftgate.reports.documents import training_document
    from driftgate.training.text import training_line

    typer.echo(training_document(trained) if as_json else training_line(trained))


@commands.command()
def predict(
    as_of: Annotated[str | None, typer.Option(help="Month to score, YYYY-MM-DD; by default the newest")] = None,
    monitor: MonitorName = None,
    as_json: Json = False,
) -> None:
    """Score every entity of a month with the champion, into files and tables."""
    from flows.runtime.environment import Runtime, feature_worker
    from flows.runtime.local_server import start_prefect

    day = parse_as_of(as_of) if as_of is not None else None
    wait_for_prefect = start_prefect()
    feature_worker(Runtime.from_environment().parameters)
    from flows.predict_flow import predict_month

    wait_for_prefect()
    batch, summary = predict_month(day, monitor)
    from driftgate.predictions.batch import batch_line
    from driftgate.reports.documents import batch_document

    typer.echo(batch_document(batch, summary) if as_json else batch_line(batch, summary))
