"""The whole path, on a real Prefect server, a real PostgreSQL and a real Feast registry."""

import json
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

MONTHS = [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)]


@pytest.mark.usefixtures("prefect_api", "environment")
def test_two_pairs_end_in_two_verdicts(loaded_engine: Engine, tmp_path: Path) -> None:
    from flows.monitor_flow import monitor_month

    calm = monitor_month(MONTHS[0], MONTHS[1])
    stormy = monitor_month()

    assert calm.decision.label == "NO_ACTION"
    assert (calm.drift.as_of_ref, calm.drift.as_of_cur) == (MONTHS[0], MONTHS[1])
    assert stormy.decision.label == "RETRAINING_TRIGGERED (SIMULATED)"
    assert (stormy.drift.as_of_ref, stormy.drift.as_of_cur) == (MONTHS[1], MONTHS[2])
    record = json.loads((tmp_path / "reports" / "decision_2024-02-29_vs_2024-03-31.json").read_text())
    assert record["declared_features"] == len(record["columns"]) == 14
    with loaded_engine.connect() as connection:
        runs = connection.execute(text("SELECT verdict, drift_share FROM monitor_runs ORDER BY as_of_cur")).all()
        columns = connection.execute(text("SELECT count(*) FROM monitor_columns")).scalar_one()
    assert runs == [("NO_ACTION", 1 / 14), ("RETRAINING_TRIGGERED (SIMULATED)", stormy.drift.drift_share)]
    assert columns == 28
