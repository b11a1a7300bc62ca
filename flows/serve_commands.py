"""Commands of the service: materialize, serve."""

import typer

commands = typer.Typer()
