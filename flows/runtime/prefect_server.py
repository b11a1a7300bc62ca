"""The Prefect server as one process: a script, so that it begins with nothing but what the server imports.

`prefect server start` would keep a second process beside it, for nothing but to wait.
"""

import argparse
import os
import sys
import threading


def main() -> None:
    """Serve until told to stop; with `--with-parent` also until standard input closes."""
    import gc

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=4200, help="port to listen on")
    parser.add_argument("--hosts", default="", help="names that lead here as well, with commas between them")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    given = parser.parse_args()
    if given.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        # A command waits for it. One that stays takes the time to collect while it imports: 10 MiB less for as long.
        gc.disable()
    import uvicorn
    from prefect.server.api.server import create_app

    from driftgate.hosts import OwnHosts, host_names

    app = OwnHosts(create_app(), host_names(given.hosts))
    gc.enable()
    uvicorn.run(app, host=given.host, port=given.port, log_level="error", lifespan="on")


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    # The folder of this file is no package root; without this, `import flows` would fail and siblings shadow names.
    sys.path.pop(0)
    main()
