"""The files of a registered version, in the folder MLFLOW_ARTIFACTS."""

import hashlib
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.errors import ConfigurationError
from driftgate.training.registry.versions import VersionInfo

if TYPE_CHECKING:
    import pyarrow as pa


def read_pipeline(artifacts: Path, info: VersionInfo) -> Any:
    """Return the fitted pipeline of a version, after a check that its digest is the registered one.

    Raises:
        ConfigurationError: the file is absent or not the registered one, or scikit-learn has another version.
    """
    import sklearn

    again = (
        f"train again: `driftgate train --as-of {info.as_of} --seed {info.seed} --monitor {info.monitor}`, "
        "and `driftgate promote VERSION`"
    )
    if sklearn.__version__ != info.sklearn:
        raise ConfigurationError(
            f"{info.label} was trained with scikit-learn {info.sklearn}, and this is {sklearn.__version__}, which may "
            "read it otherwise",
            remedy=again,
        )
    path = artifacts / info.model_file
    content = _read(path, info)
    if hashlib.sha256(content).hexdigest() != info.model_sha256:
        raise ConfigurationError(
            f"{path} is not the file that was registered as {info.label}",
            remedy="restore the folder MLFLOW_ARTIFACTS from a copy, or train again and `driftgate promote VERSION`",
        )
    try:
        return pickle.loads(content)  # noqa: S301  its digest is the registered one
    except (pickle.UnpicklingError, AttributeError, ImportError, TypeError) as error:
        raise ConfigurationError(
            f"{info.label} cannot be read by this version of Driftgate: {str(error)[:300]}", remedy=again
        ) from error


def read_judged(artifacts: Path, info: VersionInfo) -> "pa.Table":
    """Return the labelled users of a version's training: `key` (text), `label` (0, 1), `score`, `validation` (boolean).

    Raises:
        ConfigurationError: the version was registered without them, or the file is absent.
    """
    import pyarrow as pa

    if not info.judged_file:
        raise ConfigurationError(f"{info.label} was registered without scores of its users", remedy="train again")
    return pa.ipc.open_file(_read(artifacts / info.judged_file, info)).read_all()


def _read(path: Path, info: VersionInfo) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{info.label} has no file {path}: {error.strerror}",
            allowed="the folder in which it was trained, or a copy of it",
            remedy="set MLFLOW_ARTIFACTS to that folder, or train again and `driftgate promote VERSION`",
        ) from error
