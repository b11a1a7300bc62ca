"""StreamFlow for the flows and the commands: the one place here that imports it.

Months of other source tables are loaded by naming their `SourceTables` here. Features and labels that are in
PostgreSQL already need nothing of this: monitors.toml says where they are.
"""

import shutil
import tempfile
from pathlib import Path

from driftgate.files import write_atomic
from driftgate.settings import Settings
from streamflow import MONITOR, TARGET
from streamflow.sample import write_sample_months
from streamflow.source_tables import SOURCE_TABLES

__all__ = ["MONITOR", "SOURCE_TABLES", "TARGET", "lay_out_project", "write_sample_months"]

# Beside the packages, in a checkout and where the wheel is installed.
_FILES = Path(__file__).resolve().parents[1]


def lay_out_project(settings: Settings) -> list[Path]:
    """Write the monitors file and the Feast repository where the settings look for them; what is there stays.

    Returns:
        What was written; nothing in a checkout, which has both.

    Raises:
        OutputError: the folder of the monitors file is not writable.
    """
    monitors, repo = settings.driftgate_monitors, settings.feast_repo
    written = [path for path in (monitors, repo) if not path.exists()]
    if monitors in written:
        write_atomic(monitors, (_FILES / "flows" / "monitors.toml").read_text(encoding="utf-8"))
    if repo in written:
        # Under its name once it is whole: what is there stays.
        with tempfile.TemporaryDirectory(dir=repo.parent, prefix=f".{repo.name}-") as folder:
            copy = Path(folder) / repo.name
            shutil.copytree(_FILES / "feature_repo", copy, ignore=shutil.ignore_patterns("__pycache__"))
            copy.rename(repo)
    return written
