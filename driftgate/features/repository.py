"""The folder of a Feast repository."""

import re
from pathlib import Path

from driftgate.errors import FeastRepositoryError


def require_repository(repo: Path) -> None:
    """Check that the folder holds a Feast repository.

    Raises:
        FeastRepositoryError: there is no feature_store.yaml.
    """
    if not (repo / "feature_store.yaml").is_file():
        raise FeastRepositoryError(
            f"there is no Feast repository at {repo} (no feature_store.yaml)",
            remedy="set FEAST_REPO, or feast_repo in monitors.toml, to the folder that holds it",
        )


def without_input(message: str) -> str:
    """Return a message without the values that Pydantic repeats, which may include the password of a store.

    >>> without_input("Field required [type=missing, input_value={'password': 'x'}, input_type=dict]")
    'Field required [type=missing, input_type=dict]'
    """
    return re.sub(r"input_value=.*?, input_type=", "input_type=", message, flags=re.DOTALL)
