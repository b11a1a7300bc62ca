"""What the dashboards say about decisions: the verdict, its reasons, and what held it back."""

from sqlalchemy import update

from driftgate.database import ConnectionParameters, connect
from driftgate.decision import History
from driftgate.store.tables import monitor_runs
from tests.reports.runs import APRIL, FEBRUARY, MARCH, finished, measured
from tests.services.grafana.asking import answer_of, as_grafana_asks, ask, keep
from tests.services.grafana.dashboards import SQL

PERFORMANCE = "Performance then and now by month"
MODEL = "How the model does on the newest month of each monitor"


def test_the_drift_dashboard_says_what_the_newest_run_decided(tables: ConnectionParameters) -> None:
    (verdict,) = answer_of(tables, "drift", "Last verdict")
    assert verdict["verdict"] == "RETRAINING_TRIGGERED (RETRAIN OFF)"
    assert [tuple(row.values()) for row in answer_of(tables, "drift", "Last decision")] == [
        ("held back", "no"),
        ("reason", "drift_share=1.00 >= 0.30"),
        ("reason", "auc_drop pending, 43% labelled"),
        ("target drift", "2024-04-30: pending, 43% labelled"),
        ("a trigger", "starts nothing (retrain = off)"),
    ]
    assert answer_of(tables, "drift", "Target drift") == [{"target_drift": "pending"}]
    shares = {row["time"].date(): row["drift share"] for row in answer_of(tables, "drift", "Drift share by month")}
    assert shares == {FEBRUARY: 1 / 14, MARCH: 0.5, APRIL: 1.0}
    states = {row["month"]: row for row in answer_of(tables, "drift", "Features by state and month")}
    assert (states["2024-04-30"]["drifted"], states["2024-04-30"]["missing"]) == (1, 1)
    assert states["2024-02-29"]["not drifted"] == 13


def test_a_decision_that_was_held_back_says_so_and_why(empty: ConnectionParameters) -> None:
    reader = keep(
        empty,
        finished(
            performance=measured(0.64, 0.55),
            history=History(champion_trained_on=MARCH),
            retrain="deployment",
            model="streamflow_churn",
        ),
    )
    assert answer_of(reader, "drift", "Last verdict") == [{"verdict": "NO_ACTION (held back)"}]
    lines = [tuple(row.values()) for row in answer_of(reader, "drift", "Last decision")]
    assert lines[0] == ("held back", "the champion was trained on 2024-03-31 and knows this shift")
    assert lines[-1] == ("a trigger", "starts the retraining (retrain = deployment)")
    assert [what for what, _ in lines] == ["held back", "reason", "reason", "a trigger"]
    (model,) = answer_of(reader, "overview", MODEL)
    assert model["Against the threshold"] == "fallen"
    (decided,) = answer_of(reader, "overview", "What the last check of each monitor decided")
    assert decided["Verdict"] == "NO_ACTION (held back)"


def test_runs_from_before_performance_was_measured_are_shown_all_the_same(empty: ConnectionParameters) -> None:
    reader = keep(empty, finished())
    engine = connect(empty)
    names = [item.name for item in monitor_runs.columns]
    new = names[names.index("record") + 1 :]
    with engine.begin() as connection:
        connection.execute(update(monitor_runs).values({**dict.fromkeys(new), "record": {"target": {}}}))
    engine.dispose()
    for name, _, target in (item.values for item in SQL):
        ask(reader, as_grafana_asks(target["rawSql"], name))
    assert answer_of(reader, "drift", "Last verdict") == [{"verdict": "NO_ACTION"}]
    lines = dict(tuple(row.values()) for row in answer_of(reader, "drift", "Last decision"))
    assert (lines["held back"], lines["a trigger"]) == ("not recorded", "not recorded")
    assert answer_of(reader, "drift", PERFORMANCE) == []
    (month,) = answer_of(reader, "drift", "Performance by month")
    assert (month["State"], month["Champion"], month["Verdict"]) == ("not recorded", None, "NO_ACTION")
    (model,) = answer_of(reader, "overview", MODEL)
    assert (model["State"], model["Against the threshold"]) == ("not recorded", None)
