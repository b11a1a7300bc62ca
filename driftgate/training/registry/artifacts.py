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

    again = f"train again: {_again(info)}"
    if sklearn.__version__ != info.sklearn:
        raise ConfigurationError(
            f"{info.label} was trained with scikit-learn {info.sklearn}, and this is {sklearn.__version__}, which may "
            "read it otherwise",
            remedy=again,
        )
    content = _read_registered(artifacts, info, info.model_file, info.model_sha256 or "none")
    try:
        return pickle.loads(content)  # noqa: S301  its digest is the registered one
    except (pickle.UnpicklingError, AttributeError, ImportError, TypeError) as error:
        raise ConfigurationError(
            f"{info.label} cannot be read by this version of Driftgate: {str(error)[:300]}", remedy=again
        ) from error


def read_judged(artifacts: Path, info: VersionInfo) -> "pa.Table":
    """Return the labelled entities of a training: `key` (text), `label`, `score`, `validation` (boolean).

    Raises:
        ConfigurationError: the version was registered without them, or the file is absent or not the registered one.
    """
    import pyarrow as pa

    if not info.judged_file:
        raise ConfigurationError(f"{info.label} was registered without scores of its entities", remedy="train again")
    return pa.ipc.open_file(_read_registered(artifacts, info, info.judged_file, info.judged_sha256)).read_all()


def are_whole(artifacts: Path, info: VersionInfo) -> bool:
    """Return whether the files of a version are there as they were registered.

    Raises:
        ConfigurationError: the version names a file outside the artifacts folder.
    """
    files = {info.model_file: info.model_sha256, info.judged_file: info.judged_sha256}
    return all(_is_whole(file_of(artifacts, info, name), digest) for name, digest in files.items() if name)


def _is_whole(path: Path, digest: str) -> bool:
    try:
        return digest in ("", digest_of(path.read_bytes()))
    except OSError:
        return False


def digest_of(content: bytes) -> str:
    """The SHA-256 of a file, as a version's record has it."""
    return hashlib.sha256(content).hexdigest()


def file_of(artifacts: Path, info: VersionInfo, name: str) -> Path:
    """The path of a version's file, which is in the artifacts folder whatever the version's tag says.

    Raises:
        ConfigurationError: the name is absolute, has `..` in it, or a link on its way leads out of the folder.
    """
    path = artifacts / name
    # Whoever can write a tag must not choose which file of this machine is opened.
    if ".." in Path(name).parts or "\0" in name or not path.resolve().is_relative_to(artifacts.resolve()):
        raise ConfigurationError(
            f"{info.label} names a file outside {artifacts}: {name[:200]!r}",
            allowed="a path below the folder MLFLOW_ARTIFACTS, without `..`",
            remedy="find out who changed the tag driftgate.training of that version; train again, "
            "and `driftgate promote VERSION`",
        )
    return path


def _read_registered(artifacts: Path, info: VersionInfo, name: str, digest: str) -> bytes:
    path = file_of(artifacts, info, name)
    content = _read(path, info)
    if digest not in ("", digest_of(content)):
        raise ConfigurationError(
            f"{path} is not the file that was registered as {info.label}",
            remedy="restore the folder MLFLOW_ARTIFACTS from a copy, or train again, which makes another version: "
            f"{_again(info)}",
        )
    return content


def _again(info: VersionInfo) -> str:
    of = f"--as-of {info.as_of} --seed {info.seed} --monitor {info.monitor}"
    return f"`driftgate train {of}`, and `driftgate promote VERSION`"


def _read(path: Path, info: VersionInfo) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{info.label} has no file {path}: {error.strerror}",
            allowed="the folder in which it was trained, or a copy of it",
            remedy="set MLFLOW_ARTIFACTS to that folder, or train again and `driftgate promote VERSION`",
        ) from error
