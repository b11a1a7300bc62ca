"""What `import driftgate` does: little, and quickly."""

import os
import subprocess
import sys

import pytest


def printed(code: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | variables
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize(("given", "expected"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_threads_that_fit_trees_wait_without_a_processor(given: dict[str, str], expected: str) -> None:
    assert printed("import driftgate, os; print(os.environ['OMP_WAIT_POLICY'])", **given) == expected


def test_nothing_slow_is_imported() -> None:
    slow = {"numpy", "pyarrow", "pandas", "sklearn", "feast", "evidently", "prefect", "sqlalchemy"}
    assert printed(f"import driftgate, sys; print(sorted({slow!r} & set(sys.modules)))") == "[]"


def test_what_is_not_there_is_an_attribute_error() -> None:
    import driftgate

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = driftgate.nothing  # type: ignore[attr-defined]
