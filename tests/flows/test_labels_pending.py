"""Labels that come late: pending, never a number; and what a schedule does when they have come."""

import json
import math
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from driftgate.reports.text import result_lines
from driftgate.run import Run
from tests.workplace import Workplace

JAN, FEB, MAR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)
PENDING = "pending, 40% labelled"


def row(workplace: Workplace) -> dict[str, Any]:
    with workplace.engine.connect() as connection:
        query = text("SELECT * FROM monitor_runs WHERE as_of_cur = '2024-03-31'")
        return dict(connection.execute(query).mappings().one())


def schedule() -> list[tuple[date, date]]:
    """What the scheduled flow judges."""
    from flows.backfill_flow import monitor_new_months

    return [(item.as_of_ref, item.as_of_cur) for item in monitor_new_months()]


@pytest.fixture(scope="module")
def early(workplace: Workplace) -> Run:
    """The newest pair, judged with 800 of 2,000 labels of its current month; the others lie in the table `late`."""
    from flows.monitor import monitor_month

    with workplace.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE late AS SELECT * FROM labels WHERE period_start = '2024-03-31' "
                "ORDER BY user_id OFFSET 800"
            )
        )
        connection.execute(
            text("DELETE FROM labels USING late WHERE (labels.user_id, labels.period_start) = "
                 "(late.user_id, late.period_start)")
        )  # fmt: skip
    return monitor_month(FEB, MAR)


def test_the_verdict_rests_on_covariates_alone(early: Run) -> None:
    assert early.decision.triggered
    first, *others = early.decision.reasons
    assert first.startswith("drift_share=") and others == [f"auc_drop {PENDING}"]
    assert math.isnan(early.target.cur) and math.isnan(early.target.abs_diff) and early.target.pending
    target, performance, gain, decision = result_lines(early)
    assert target.endswith(f" cur_rate=nan abs_diff=nan (2024-03-31: {PENDING})")
    assert performance == f"[Performance] {PENDING}"
    assert gain == f"[Retrain] gain not computable: {PENDING}"
    assert decision.endswith(f"auc_drop {PENDING} (target_drift=nan)")


def test_record_tables_and_page_say_pending(early: Run, workplace: Workplace) -> None:
    record = json.loads(early.paths.record.read_text())
    assert record["target"]["pending"] and record["target"]["abs_diff"] is None and record["target"]["cur"] is None
    assert record["target"]["labelled_share_cur"] == 0.4
    assert record["performance"]["state"] == "pending" and record["performance"]["reason"] == PENDING
    assert record["performance"]["measures"] == {}
    estimate = record["performance"]["estimate"]
    assert estimate["code"] is None and 0.5 < estimate["low"] < estimate["value"] < estimate["high"] <= 1.0
    found = row(workplace)
    assert (found["performance_state"], found["performance_reason"]) == ("pending", PENDING)
    assert [found[name] for name in ("target_cur", "target_drift", "auc_cur", "auc_drop")] == [None] * 4
    assert found["estimated_performance"] == estimate["value"]
    assert found["labelled_share_cur"] == 0.4 and PENDING in found["target_reason"]
    page = early.paths.page.read_text()
    assert PENDING in page and "An estimate before the labels come: AUC" in page


def test_the_list_says_that_it_waits(early: Run, workplace: Workplace) -> None:
    from driftgate.reports.terminal import run_lines, runs_table
    from driftgate.store.history import past_runs
    from driftgate.store.record import RunRecord

    (run,) = past_runs(workplace.engine, "churn")
    assert run.pending
    assert "RETRAINING_TRIGGERED (SIMULATED), labels pending" in runs_table([run])[1]
    assert f"performance: {PENDING}" in run_lines(RunRecord.model_validate_json(early.paths.record.read_bytes()))


def test_a_schedule_judges_it_again_once_the_labels_are_there_and_not_before(early: Run, workplace: Workplace) -> None:
    assert schedule() == [], "nothing has come"
    with workplace.engine.begin() as connection:
        connection.execute(text("INSERT INTO labels SELECT * FROM late ORDER BY user_id LIMIT 100"))
    assert schedule() == [], "45% is as little as 40%"
    assert row(workplace)["decided_at"] == early.decided_at
    with workplace.engine.begin() as connection:
        connection.execute(text("INSERT INTO labels SELECT * FROM late ORDER BY user_id OFFSET 100"))
    assert schedule() == [(FEB, MAR)]
    found = row(workplace)
    assert found["performance_state"] == "measured" and found["auc_drop"] > 0.05
    assert found["target_drift"] > 0 and found["labelled_share_cur"] == 1.0
    assert found["record"]["target"]["reason"] == "" and not found["record"]["target"]["pending"]
    assert found["drift_share"] == early.drift.drift_share
    assert schedule() == [], "once"


def test_after_an_outage_each_month_that_is_due_is_judged_once(early: Run, workplace: Workplace) -> None:
    """As if the last verdict were of a month before all these, and as if there were none at all."""
    with workplace.engine.begin() as connection:
        connection.execute(text("DELETE FROM monitor_columns"))
        pair = {"ref": date(2023, 12, 31), "cur": JAN}
        months = "jsonb_build_object('as_of_ref', CAST(:ref AS date), 'as_of_cur', CAST(:cur AS date))"
        record = f"jsonb_set(record, '{{inputs}}', record->'inputs' || {months})"
        connection.execute(text(f"UPDATE monitor_runs SET as_of_ref = :ref, as_of_cur = :cur, record = {record}"), pair)
    assert schedule() == [(JAN, FEB), (FEB, MAR)]
    assert schedule() == []
    with workplace.engine.begin() as connection:
        connection.execute(text("DELETE FROM monitor_runs"))
        connection.execute(text("DELETE FROM subscriptions_profile_snapshots WHERE as_of = '2024-03-31'"))
    assert schedule() == [(JAN, FEB)], "the newest month alone"


def test_a_schedule_that_cannot_ask_the_database_fails_and_says_so(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from driftgate.errors import DatabaseError
    from flows.runtime import pushing

    pushed: list[tuple[object, ...]] = []
    monkeypatch.setattr(pushing, "push_failure", lambda *given: pushed.append(given))
    monkeypatch.setenv("POSTGRES_DB", "no_such_database")
    with pytest.raises(DatabaseError):
        schedule()
    assert [given[1:3] for given in pushed] == [("monitor_month", "churn")]
