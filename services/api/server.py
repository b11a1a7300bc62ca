"""Running the API under uvicorn, with one worker or several."""

import os
import signal
import socket
import tempfile
import time
from pathlib import Path

from driftgate.database.configured import connection_parameters
from driftgate.errors import OutputError, UsageError
from driftgate.features.types import feast_environment
from driftgate.process import end_with_parent, note_failure
from driftgate.scratch import remove_of_dead_owner, scratch_folder, worker_environment
from driftgate.settings import Settings

PARENT = "DRIFTGATE_API_SUPERVISOR"
"""Names the process id of the one that keeps several workers."""

_APP = "services.api.app:from_environment"
_GRACE_SECONDS = 10
# uvicorn's five are fewer than an import may take on a busy machine; it kills the worker and starts the import again.
_HELD_UP_SECONDS = 60


def serve(host: str, port: int, workers: int) -> None:
    """Serve until a signal; returns when requests are answered and the log is flushed.

    Where answered predictions could be written nowhere, the exit status is that of an OutputError; several workers only
    log it.

    Raises:
        ConfigurationError: a setting is wrong.
        DatabaseError: the embedded server does not start.
        UsageError: nothing can listen there.
    """
    _require_address(host, port)
    # Found out here once: errors are plain, and workers join the embedded database that this process keeps up.
    settings = Settings.load()
    os.environ.update(feast_environment(connection_parameters(settings)))
    # Whoever is told to listen by a name is asked for by it. Workers have the environment, and no arguments.
    os.environ["DRIFTGATE_HOSTS"] = f"{settings.driftgate_hosts},{host}"
    for name in ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR"):
        os.environ.pop(name, None)
    # After that: with the variable set, prometheus_client keeps its values in files from its import on.
    from services.api.prediction_log import lost_rows

    _keep_temporary_files(settings.driftgate_home)
    if workers > 1:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="metrics-")
        os.environ[PARENT] = str(os.getpid())
    try:
        _run(host, port, workers)
    finally:
        # uvicorn gives the signal that ended it back, which would say that all went well.
        if lost := lost_rows():
            note_failure(OutputError(f"{lost} answered predictions could not be written"))


def _run(host: str, port: int, workers: int) -> None:
    import uvicorn

    from services.api.protocol import BoundedProtocol

    uvicorn.run(
        _APP,
        factory=True,
        http=BoundedProtocol,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_worker_healthcheck=_HELD_UP_SECONDS,
    )


def _require_address(host: str, port: int) -> None:
    """Listen for a moment, before anything slow begins.

    Raises:
        UsageError: another program listens there, or the address is none of this machine's.
    """
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"nothing can listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
            remedy="choose another --port or --host, or end what listens there: `driftgate serve` may run already",
        ) from error


def end_with_supervisor() -> None:
    """In a worker: end in order once the process that started it was killed, rather than answer on for ever."""
    parent = os.environ.get(PARENT)
    if parent is None or int(parent) == os.getpid():
        return

    def end() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(2 * _GRACE_SECONDS)
        remove_of_dead_owner()
        os._exit(1)

    end_with_parent(int(parent), end)


def _keep_temporary_files(home: Path) -> None:
    """Have temporary files, those of the workers and of Feast included, in a folder that does not outlive us."""
    try:
        scratch_folder(home)
    except OutputError:
        # The service needs no home where PostgreSQL is elsewhere and the log is fast.
        return
    os.environ.update(worker_environment())
    tempfile.tempdir = None
