"""Commands of the watched model: train, predict."""

import typer

commands = typer.Typer()
