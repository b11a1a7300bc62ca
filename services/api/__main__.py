"""`python -m services.api`: what `driftgate serve` does, without the other commands."""

import argparse

from services.api.server import serve


def main() -> None:
    """Read the address and serve."""
    parser = argparse.ArgumentParser(prog="python -m services.api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    serve(options.host, options.port, options.workers)


if __name__ == "__main__":
    main()
