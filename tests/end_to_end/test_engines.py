"""The same months, kept by each offline store, give the same verdict."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driftgate.features.applying import ensure_applied
from driftgate.reports.text import target_line
from driftgate.run import Run
from tests.conftest import FEATURE_REPO
from tests.features.engines.java import SPARK_CONF, has_java, require_java
from tests.parquet_repo import parquet_repository
from tests.workplace import Workplace

STORES = ["postgres", "duckdb", "file", "spark"]
SPARK = "  spark_conf:\n" + "".join(f'    {key}: "{value}"\n' for key, value in SPARK_CONF.items())


@pytest.fixture(scope="module")
def runs(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """The two newest sample months, judged on every engine."""
    from flows.monitor import monitor_month

    found = {}
    for kind in STORES if has_java() else STORES[:-1]:
        folder = tmp_path_factory.mktemp(kind)
        repo = FEATURE_REPO
        if kind != "postgres":
            repo = parquet_repository(workplace.engine, folder / "repo", kind, SPARK if kind == "spark" else "")
            ensure_applied(workplace.engine, workplace.parameters, repo)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FEAST_REPO", str(repo))
            patch.setenv("REPORT_DIR", str(folder / "reports"))
            found[kind] = monitor_month()
    yield found


def record(run: Run) -> dict[str, Any]:
    """The decision record without what differs between two runs of one engine."""
    content = json.loads(Path(run.paths.record).read_text())
    for key in ("decided_at", "run_id", "versions", "report_html", "report_json", "paths", "reports"):
        content.pop(key, None)
    return dict(content)


@pytest.mark.parametrize("kind", STORES[1:])
def test_the_decision_record_is_that_of_postgresql(runs: dict[str, Run], kind: str) -> None:
    if kind == "spark":
        require_java()
    found, expected = record(runs[kind]), record(runs["postgres"])
    for column, other in zip(found["columns"], expected["columns"], strict=True):
        assert column == other
    assert found == expected
    assert target_line(runs[kind].target) == target_line(runs["postgres"].target)


def test_something_was_found(runs: dict[str, Run]) -> None:
    assert runs["postgres"].drift.drifted
    assert runs["postgres"].target.abs_diff > 0
