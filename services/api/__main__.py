"""`python -m services.api`: the prediction service, which `driftgate serve` becomes."""

import argparse
from typing import NoReturn

from driftgate.process import end_on_signals, require_memory, run_program

LEAST_MEGABYTES = 2560
"""Of address space. A process that has answered had 2,205 MB of it and 320 MB in memory: threads reserve it."""


def main() -> NoReturn:
    """Read the address and serve; the exit status is 0, 128 and the signal's number, or that of the error's family."""
    # Before anything slow is imported.
    end_on_signals(keep_logging=True)
    parser = argparse.ArgumentParser(prog="python -m services.api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    run_program(lambda: _serve(options))


def _serve(options: argparse.Namespace) -> None:
    require_memory(LEAST_MEGABYTES)
    from services.api.server import serve

    serve(options.host, options.port, options.workers)


if __name__ == "__main__":
    main()
