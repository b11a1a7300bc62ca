"""The same months, kept by each offline store, give the same profiles, byte by byte, and the same verdict."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from driftgate.features.applying import ensure_applied
from driftgate.monitors import read_monitor
from driftgate.planning import Reports
from driftgate.profiles.landing import Landing
from driftgate.profiles.store import month_profiles, newest_grid
from driftgate.reports.text import target_line
from driftgate.run import Run
from flows.runtime.environment import feature_worker
from tests.conftest import FEATURE_REPO, ROOT
from tests.features.engines.java import SPARK_CONF, has_java, require_java
from tests.parquet_repo import parquet_repository
from tests.workplace import Workplace

pytestmark = pytest.mark.slow

# A repository of the type `file` has the engine of `duckdb`, see tests/features/engines.
STORES = ["postgres", "duckdb", "spark"]
SPARK = "  spark_conf:\n" + "".join(f'    {key}: "{value}"\n' for key, value in SPARK_CONF.items())


# What once gave other scores on another engine or grid: NULLs, words of other alphabets, a heavy tail, a small spread
# far from zero.
AWKWARD = """
UPDATE subscriptions_profile_snapshots SET
    monthly_fee = CASE WHEN user_id LIKE '%7' THEN NULL ELSE 273 + 0.01 * sin(hashtext(user_id)) END,
    net_service = CASE WHEN user_id LIKE '%1' THEN 'Glasfaser Süd' WHEN user_id LIKE '%2' THEN '光ファイバー'
                       WHEN user_id LIKE '%3' THEN '' WHEN user_id LIKE '%4' THEN NULL ELSE net_service END;
UPDATE usage_agg_30d_snapshots SET
    watch_hours_30d = exp(2 * sin(hashtext(user_id)) + 5 * cos(hashtext(user_id)) ^ 9)
"""
CHURN = read_monitor(ROOT / "flows" / "monitors.toml", "churn")


@dataclass(frozen=True)
class Found:
    """What one engine gave.

    Attributes:
        run: the verdict on the two newest months.
        exact: profile and sample of each month, as they are kept.
        counted: the same for a monitor that samples half of a month and counts the whole on a grid.
        grid: digest of that grid.
    """

    run: Run
    exact: dict[date, tuple[bytes, bytes]]
    counted: dict[date, tuple[bytes, bytes]]
    grid: str


def kept(database: Engine, monitor: str, months: list[date]) -> dict[date, tuple[bytes, bytes]]:
    wanted = select(month_profiles).where(month_profiles.c.monitor == monitor, month_profiles.c.as_of.in_(months))
    with database.connect() as connection:
        return {row.as_of: (bytes(row.profile), bytes(row.sample)) for row in connection.execute(wanted)}


@pytest.fixture(scope="module")
def found(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Found]]:
    """The two newest sample months, measured and judged on every engine."""
    from flows.monitor import monitor_month

    with workplace.engine.begin() as connection:
        connection.execute(text(AWKWARD))
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
            run = monitor_month(reports=Reports.NONE)
        months = [run.drift.as_of_ref, run.drift.as_of_cur]
        large = CHURN.model_copy(update={"name": f"large_{kind}", "max_report_rows": 1000})
        worker = feature_worker(workplace.parameters)
        Landing(workplace.engine, worker, large, repo, folder, lambda _: None).land(months)
        grid = newest_grid(workplace.engine, large.name)
        assert grid is not None
        exact, counted = kept(workplace.engine, "churn", months), kept(workplace.engine, large.name, months)
        found[kind] = Found(run, exact, counted, grid.digest)
    yield found


def record(run: Run) -> dict[str, Any]:
    """The decision record without what differs between two runs of one engine."""
    content = json.loads(Path(run.paths.record).read_text())
    for key in ("decided_at", "run_id", "versions", "report_html", "report_json", "paths", "reports"):
        content.pop(key, None)
    return dict(content)


@pytest.mark.parametrize("kind", STORES[1:])
def test_profiles_and_record_are_those_of_postgresql(found: dict[str, Found], kind: str) -> None:
    if kind == "spark":
        require_java()
    mine, expected = found[kind], found["postgres"]
    assert mine.exact == expected.exact
    assert mine.grid == expected.grid
    assert mine.counted == expected.counted
    columns, others = record(mine.run), record(expected.run)
    for column, other in zip(columns["columns"], others["columns"], strict=True):
        assert column == other
    assert columns == others
    assert target_line(mine.run.target) == target_line(expected.run.target)


def test_something_was_found(found: dict[str, Found]) -> None:
    run = found["postgres"].run
    assert run.drift.drifted
    assert run.target.abs_diff > 0
    assert len(found["postgres"].exact) == len(found["postgres"].counted) == 2
