"""The command `driftgate`."""

from flows.cli.app import main

__all__ = ["main"]
