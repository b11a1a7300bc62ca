"""`python -m services.api`: the prediction service, which `driftgate serve` becomes."""

import argparse
import signal
import sys
from typing import NoReturn

from driftgate.errors import DriftgateError
from services.api.server import serve


def main() -> NoReturn:
    """Read the address and serve; the exit status is 0, 128 and the signal's number, or that of the error's family."""
    parser = argparse.ArgumentParser(prog="python -m services.api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    # By SystemExit, so that an embedded PostgreSQL that only this process uses ends as well.
    signal.signal(signal.SIGTERM, _end_in_order)
    try:
        serve(options.host, options.port, options.workers)
    except DriftgateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    sys.exit(0)


def _end_in_order(signal_number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + signal_number)


if __name__ == "__main__":
    main()
