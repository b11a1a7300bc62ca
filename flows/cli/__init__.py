"""The command `driftgate`."""

import signal
import sys

if sys.argv[0].rpartition("/")[2] in ("driftgate", "-m"):
    # As the program itself: until signals are noted, Ctrl-C ends it as SIGTERM does, without a traceback of an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from collections.abc import Sequence
from typing import NoReturn

from driftgate.process import end_on_signals, leave

__all__ = ["main"]

# In which a run is marked at Prefect, and processes of a command end.
_MOST_SECONDS = 12.0


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process; see `flows.cli.app.main`."""
    # Before anything slow is imported.
    end_on_signals(most_seconds=_MOST_SECONDS)
    given = list(sys.argv[1:] if arguments is None else arguments)
    from flows.runtime.lending import run_lent

    if (status := run_lent(given)) is not None:
        leave(status)
    from flows.cli import app

    app.main(given)
