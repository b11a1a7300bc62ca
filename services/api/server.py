"""Running the API under uvicorn, with one worker or several."""

import os
import shutil
import tempfile

from driftgate.database.configured import connection_parameters
from driftgate.features.types import feast_environment
from driftgate.settings import Settings

_APP = "services.api.app:from_environment"


def serve(host: str, port: int, workers: int) -> None:
    """Serve until a signal; returns when requests are answered and the log is flushed.

    Raises:
        ConfigurationError: a setting is wrong.
        DatabaseError: the embedded server does not start.
    """
    import uvicorn

    from services.api.protocol import BoundedProtocol

    # Found out here once: errors are plain, and workers join the embedded database that this process keeps up.
    settings = Settings.load()
    os.environ.update(feast_environment(connection_parameters(settings)))
    for name in ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR"):
        os.environ.pop(name, None)
    folder = tempfile.mkdtemp(prefix="driftgate-metrics-") if workers > 1 else None
    if folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
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
            timeout_graceful_shutdown=10,
        )
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
