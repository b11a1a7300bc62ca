"""The worked case is an example: the library and the flows serve any other Feast repository as well."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = re.compile(r"churn|user_id|subscriptions|streamflow", re.IGNORECASE)

# What is left, and why.
ALLOWED = {
    # The name that the column had before it was renamed: tables of the first release are renamed by it.
    (
        "driftgate/database/migrations/versions/v0001_first_tables.py",
        'op.alter_column("predictions", "user_id", new_column_name="entity_key")',
    ),
    # All packages of the distribution: a process with other code of any of them lends no fork.
    ("driftgate/warm/client.py", '_PACKAGES = ("driftgate", "flows", "services", "streamflow")'),
}
# Where the flows import StreamFlow.
ONE_PLACE = "flows/worked_case.py"


@pytest.mark.parametrize("package", ["driftgate", "flows"])
def test_no_module_names_anything_of_streamflow(package: str) -> None:
    found = {
        (name, line.strip())
        for path in sorted((ROOT / package).rglob("*.py"))
        if (name := path.relative_to(ROOT).as_posix()) != ONE_PLACE
        for line in path.read_text().splitlines()
        if WORDS.search(line)
    }
    allowed = {(name, line) for name, line in ALLOWED if name.startswith(f"{package}/")}
    assert found - allowed == set()
    assert allowed - found == set(), "an exception that nothing needs any more"


def test_the_wheel_holds_every_package_that_is_imported_the_repository_and_the_documentation() -> None:
    """The images are built from what these files name."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) == {*project["tool"]["importlinter"]["root_packages"], "feature_repo", "docs"}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for package in packages:
        assert (ROOT / package).is_dir() and f"!{package}" in ignored
        for image in ("prefect", "api"):
            assert f"COPY {package} {package}\n" in (ROOT / "services" / image / "Dockerfile").read_text()
