"""The command `driftgate`."""

from collections.abc import Sequence
from typing import NoReturn

from driftgate.process import end_on_signals

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process; see `flows.cli.app.main`."""
    # Before anything slow is imported.
    end_on_signals()
    from flows.cli import app

    app.main(arguments)
