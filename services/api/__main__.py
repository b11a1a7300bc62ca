"""`python -m services.api`: the prediction service, which `driftgate serve` becomes."""

import argparse
import sys
from typing import NoReturn

from driftgate.process import end_on_signals, leave, limited_memory, noted_signal, require_files, require_memory

LEAST_MEGABYTES = 2560
"""Of address space. A process that has answered had 2,205 MB of it and 320 MB in memory: threads reserve it."""


def main() -> NoReturn:
    """Read the address and serve; the exit status is 0, 128 and the signal's number, or that of the error's family."""
    # Before anything slow is imported.
    end_on_signals(keep_logging=True)
    from driftgate.errors import DriftgateError

    parser = argparse.ArgumentParser(prog="python -m services.api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    try:
        require_files()
        require_memory(LEAST_MEGABYTES)
        from services.api.server import serve

        serve(options.host, options.port, options.workers)
    except DriftgateError as error:
        if not noted_signal():
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        leave(error.exit_code)
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 1)
    except BaseException as error:
        # What fails after a signal fails because of it.
        if noted_signal():
            leave(1)
        if (limited := limited_memory(error)) is not None:
            print(f"{type(limited).__name__}: {limited}", file=sys.stderr)
            leave(limited.exit_code)
        raise
    leave(0)


if __name__ == "__main__":
    main()
