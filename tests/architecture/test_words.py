"""Names that say nothing to a reader are not used."""

import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("driftgate", "flows", "services", "streamflow", "feature_repo", "benchmarks", "tests")
# A place, a person and a motion that a name leaves open: `monitored`, `messages`, `unpaired`, `delete` say which.
REFUSED = {"here", "told", "withdraw", "apart"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_name_is_one_of_them(folder: str) -> None:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        with path.open("rb") as source:
            found += [
                f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}"
                for token in tokenize.tokenize(source.readline)
                if token.type == tokenize.NAME and token.string in REFUSED
            ]
    assert found == []
