"""Health check of the container: the first load is done, the server answers, the worker asks it for runs.

A script of its own: Docker runs it every few seconds, so it imports nothing else.
"""

import sys
import urllib.request
from pathlib import Path

# Written by start.py. It lies in memory, so a restarted container begins without it.
READY_FILE = Path("/var/lib/driftgate/ready")
SERVER = "http://127.0.0.1:4200/api/health"
WORKER = "http://127.0.0.1:8080/health"


def main() -> None:
    """End with status 0 when healthy, else with the reason; `docker inspect` shows it."""
    if not READY_FILE.exists():
        sys.exit("still starting: see the log of this container")
    for name, url in (("server", SERVER), ("worker", WORKER)):
        try:
            urllib.request.urlopen(url, timeout=4).close()
        except OSError as error:
            sys.exit(f"the Prefect {name} does not answer at {url}: {error}")


if __name__ == "__main__":
    main()
