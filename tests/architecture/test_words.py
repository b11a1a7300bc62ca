"""Names that say nothing to a reader are not used, and a constant says one thing."""

import ast
import tokenize
from collections import Counter
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


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_constant_has_one_value(folder: str) -> None:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        assigned = [node for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.Assign | ast.AnnAssign)]
        targets = [target for node in assigned for target in getattr(node, "targets", None) or [node.target]]
        names = Counter(item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name))
        found += [f"{path.relative_to(ROOT)}: {name}" for name, times in names.items() if name.isupper() and times > 1]
    assert found == []
