"""From a request to a plan: only reads; the places for results are made by a step of its own."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect

from driftgate.errors import OutputError, UnknownMonthError
from driftgate.planning import Request
from flows.planning import prepare, resolve_plan
from flows.runtime.environment import Runtime

JAN, FEB, MAR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)


@pytest.mark.usefixtures("environment")
def test_a_plan_is_made_without_a_trace_and_then_prepared(loaded_engine: Engine) -> None:
    runtime = Runtime.from_environment()
    plan = resolve_plan(runtime, Request(as_of_ref=JAN, threshold=0.5))
    assert (plan.ref.as_of, plan.cur.as_of, plan.before_cur, plan.newest) == (JAN, MAR, FEB, True)
    assert plan.cur.entities == 2000 and plan.monitor.threshold == 0.5
    assert not plan.paths.html.parent.exists()
    with loaded_engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM monitor_runs").scalar_one() == 0

    prepare(runtime, plan)
    prepare(runtime, plan)
    assert list(plan.paths.html.parent.iterdir()) == []
    assert {"monitor_runs", "monitor_columns"} <= set(inspect(loaded_engine).get_table_names())


@pytest.mark.usefixtures("environment", "loaded_engine")
def test_what_is_wrong_is_said_by_the_part_that_it_concerns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REPORT_DIR", str(tmp_path / "file" / "reports"))
    runtime = Runtime.from_environment()
    with pytest.raises(UnknownMonthError, match="2020-01-31"):
        resolve_plan(runtime, Request(as_of_ref=date(2020, 1, 31)))
    plan = resolve_plan(runtime, Request())
    with pytest.raises(OutputError, match="file"):
        prepare(runtime, plan)
