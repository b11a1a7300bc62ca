"""Commands over many runs: backfill, runs, show."""

import typer

commands = typer.Typer()
