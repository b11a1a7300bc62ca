"""Fill an empty database: the months below DRIFTGATE_DATA, or sample months where there are none, and a first model."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from prefect.variables import Variable

from driftgate.database import connect
from driftgate.database.configured import connection_parameters
from driftgate.errors import ConfigurationError, DriftgateError
from driftgate.features.applying import ensure_applied
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import Monitor, read_monitors
from driftgate.settings import Settings
from driftgate.snapshots.folders import as_of_of

# Kept on the server, so that a first load that was interrupted is finished at the next start. A later start loads
# nothing: which months follow is for the schedule, or a person, to say.
_STATE = "driftgate_first_load"
_DONE = "done"


def main() -> None:
    """Load months into an empty database, or finish the load that was begun."""
    settings = Settings.load()
    parameters = connection_parameters(settings)
    state = Variable.get(_STATE)
    if state == _DONE:
        return
    monitors = read_monitors(settings.driftgate_monitors).values()
    with FeatureWorker(parameters) as worker:
        if state is None and any(_months(worker, settings, monitor) for monitor in monitors):
            return
        _load(settings, state or ("data" if _month_folders(settings.driftgate_data) else "sample"))
        # A load that was interrupted after its last month has not come to this.
        ensure_applied(connect(parameters), parameters, settings.feast_repo)
        for monitor in monitors:
            if monitor.model and (months := _months(worker, settings, monitor)):
                _train_on(str(months[0]), monitor.name)
    Variable.set(_STATE, _DONE, overwrite=True)


def _load(settings: Settings, source: str) -> None:
    Variable.set(_STATE, source, overwrite=True)
    if source == "data":
        _driftgate("load", str(settings.driftgate_data))
        return
    print(f"[Load] no month folder below {settings.driftgate_data}: loading sample months")
    with TemporaryDirectory() as folder:
        _driftgate("sample", "--out", folder)
        _driftgate("load", folder)


def _months(worker: FeatureWorker, settings: Settings, monitor: Monitor) -> list[date]:
    """The months of a monitor, oldest first; none where its table or its Feast repository is not there yet."""
    try:
        return worker.loaded_months(monitor.feast_repo or settings.feast_repo, monitor)
    except ConfigurationError:
        return []


def _month_folders(parent: Path) -> list[Path]:
    folders = parent.iterdir() if parent.is_dir() else ()
    return [folder for folder in folders if folder.is_dir() and as_of_of(folder.name)]


def _train_on(month: str, monitor: str) -> None:
    """A first model, so that there is one to serve and to watch; the monitor works without it."""
    if subprocess.run(["driftgate", "train", "--as-of", month, "--monitor", monitor], check=False).returncode != 0:
        print(f"[Train] no model was trained on {month}; see above, and try `driftgate train`", file=sys.stderr)


def _driftgate(*arguments: str) -> None:
    status = subprocess.run(["driftgate", *arguments], check=False).returncode
    if status != 0:
        sys.exit(status)


if __name__ == "__main__":
    try:
        main()
    except DriftgateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
