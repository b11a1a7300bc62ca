"""The decision record: strict JSON that says everything a verdict rests on."""

import json
import math
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.performance.result import Gain
from driftgate.run import Run
from driftgate.store import record as record_module
from driftgate.store.record import RunRecord, record_text
from tests.reports.runs import ESTIMATED, NO_TARGET, PENDING_TARGET, TARGET, column, finished, lost, measured
from tests.store.examples import EXAMPLES, GOLDEN, known


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def read(run: Run) -> dict[str, Any]:
    return json.loads(record_text(run), parse_constant=refuse)


@settings(max_examples=60)
@given(st.floats(), st.floats(), st.floats())
def test_whatever_the_figures_are_the_record_is_strict_json(score: float, ref: float, cur: float) -> None:
    """Null stands for what is not finite, and for nothing else."""
    target = replace(TARGET, ref=ref, cur=cur)
    record = read(finished(column("a", 0.5), column("b", score=score, drifted=False), target=target))
    (found,) = (item["score"] for item in record["columns"] if item["name"] == "b")
    assert found == (score if math.isfinite(score) else None)
    assert record["target"]["ref"] == (ref if math.isfinite(ref) else None)
    assert (record["target"]["abs_diff"] is None) == (not math.isfinite(abs(cur - ref)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_record_is_written_as_earlier_releases_wrote_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "version", lambda package: f"{package} 1.0")
    golden = (GOLDEN / f"{name}.json").read_text(encoding="utf-8")
    assert json.dumps(known(read(EXAMPLES[name]), json.loads(golden)), indent=2) + "\n" == golden


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_read_back_is_what_was_decided(name: str) -> None:
    run = EXAMPLES[name]
    record = RunRecord.model_validate_json((GOLDEN / f"{name}.json").read_bytes())
    assert repr(record.decision) == repr(run.decision), "NaN is not equal to itself"
    assert (record.triggered, record.has_signal) == (run.decision.triggered, run.decision.signalled)
    assert record.pair == (run.drift.as_of_ref, run.drift.as_of_cur)
    assert record.pending == run.pending


def test_a_record_of_the_first_release_is_read() -> None:
    """Without performance, prediction, signals, and all that came with them."""
    record = RunRecord.model_validate_json((GOLDEN / "first_release.json").read_bytes())
    assert (record.performance, record.prediction, record.signals, record.pending) == (None, None, (), None)
    assert (record.triggered, record.has_signal, record.model_dropped) == (False, False, False)
    assert record.row["auc_drop"] is None and record.row["drift_share"] == 1 / 14
    assert (record.inputs.confirmations, record.target.pending) == (None, False)


@pytest.mark.parametrize(
    ("verdict", "triggered"),
    [
        ("NO_ACTION", False),
        ("RETRAINING_TRIGGERED", True),
        ("RETRAINING_TRIGGERED (SIMULATED)", True),
        ("RETRAINING_TRIGGERED (RETRAIN OFF)", True),
    ],
)
def test_a_verdict_triggers_whatever_a_trigger_starts(verdict: str, triggered: bool) -> None:
    old = json.loads((GOLDEN / "first_release.json").read_text()) | {"verdict": verdict}
    record = RunRecord.model_validate(old)
    assert (record.triggered, record.has_signal) == (triggered, triggered)


def test_keys_of_a_later_release_are_ignored() -> None:
    content = RunRecord.of(finished()).content
    later = {**content, "new": 1, "target": {**content["target"], "new": [2]}}
    assert RunRecord.model_validate(later) == RunRecord.of(finished())


@pytest.mark.parametrize("run", [finished(), finished(column("a"), lost("b")), finished(column("a"), target=NO_TARGET)])
def test_a_record_is_strict_json_and_comes_back_the_same(run: Run) -> None:
    assert read(run) == RunRecord.of(run).content
    assert RunRecord.model_validate_json(record_text(run)) == RunRecord.of(run)
    assert record_text(run).endswith("}\n")


def test_a_record_says_what_the_verdict_rests_on() -> None:
    run = finished(target_threshold=0.5)
    record = read(run)
    assert record["monitor"] == "churn"
    assert record["decided_at"] == "2024-04-01T12:00:00+00:00"
    assert record["verdict"] == "NO_ACTION"
    assert record["reasons"] == ["drift_share=0.07 < 0.30", "target_drift=0.02 < 0.50"]
    assert record["drift_share"] == 1 / 14
    assert (record["drifted_features"], record["declared_features"], record["threshold"]) == (1, 14, 0.3)
    assert record["excluded"] == [{"name": "user_id", "reason": "identifier"}]
    assert record["reports"]["html"] == "/reports/drift_2024-01-31_vs_2024-02-29.html"
    assert record["target"] == {
        "ref": TARGET.ref,
        "cur": TARGET.cur,
        "abs_diff": TARGET.abs_diff,
        "threshold": 0.5,
        "labelled_share_ref": 1.0,
        "labelled_share_cur": 1.0,
        "reason": "",
        "pending": False,
        "p_value": TARGET.p_value,
        "chance": None,
        "classes": [],
        "spread_ref": None,
        "in_spreads": None,
    }


def test_a_record_names_inputs_and_rows() -> None:
    inputs = read(finished())["inputs"]
    assert (inputs["as_of_ref"], inputs["as_of_cur"]) == ("2024-01-31", "2024-02-29")
    assert (inputs["entity_table"], inputs["feature_service"]) == ("entities", "churn_v1")
    assert inputs["label"]["column"] == "churn_label"
    assert (inputs["rows_ref"], inputs["rows_cur"], inputs["compared_rows_ref"]) == (7043, 7043, 7043)
    assert inputs["sample_seed"] is None
    assert read(finished(compared=1000, sample_seed=4))["inputs"]["sample_seed"] == 4
    assert read(finished(label=None))["inputs"]["label"] is None
    by_source = finished(entity={"source": "users", "key": "id"}, label={"source": "answers", "column": "yes"})
    inputs = read(by_source)["inputs"]
    assert inputs["entity_table"] == "users"
    assert inputs["label"] == {"table": None, "source": "answers", "column": "yes", "key": None, "timestamp": None}


def test_a_record_names_versions() -> None:
    versions = read(finished())["versions"]
    assert {"driftgate", "evidently", "feast", "pandas"} <= set(versions)
    assert all(versions[name] == version(name) for name in versions)


def test_a_record_has_every_column_worst_first() -> None:
    columns = read(finished(column("mild", 0.11), column("bad", 0.9), lost("gone")))["columns"]
    assert [item["name"] for item in columns] == ["gone", "bad", "mild"]
    gone, bad, _ = columns
    assert (gone["state"], gone["detail"], gone["score"], gone["missing_share_ref"]) == (
        "missing",
        "no such column",
        None,
        None,
    )
    assert gone["drifted"] is True
    assert (bad["method"], bad["score"], bad["threshold"], bad["drifted_by"]) == ("wasserstein", 0.9, 0.1, "values")
    assert (bad["view"], bad["dtype"], bad["values_ref"], bad["values_cur"]) == ("view", "FLOAT64", 100, 90)
    assert bad["missing_share_change"] == pytest.approx(0.1)


def test_a_target_that_is_not_computable_is_null_with_its_reason() -> None:
    target = read(finished(target=NO_TARGET))["target"]
    assert (target["ref"], target["abs_diff"]) == (None, None)
    assert target["reason"] == NO_TARGET.reason


def test_the_threshold_of_this_run_is_recorded() -> None:
    record = read(finished(threshold=0.05))
    assert (record["threshold"], record["verdict"]) == (0.05, "RETRAINING_TRIGGERED (SIMULATED)")


def test_what_waiting_costs_and_the_estimate_are_figures_of_a_row() -> None:
    gained = replace(measured(0.8, 0.5), gain=Gain(0.1, 0.08, 0.12, 700))
    row = RunRecord.of(finished(column("f", 0.5), performance=gained, retrain_cost=500.0, error_cost=1.7)).row
    assert [round(row[f"waiting_cost{end}"]) for end in ("", "_low", "_high")] == [1197, 958, 1437]
    assert row["estimated_performance"] is None
    waits = RunRecord.of(finished(performance=ESTIMATED, target=PENDING_TARGET))
    assert [waits.row[f"estimated_performance{end}"] for end in ("", "_low", "_high")] == [0.8, 0.77, 0.83]
    assert waits.performance and waits.performance.estimate
    assert waits.performance.estimate.estimate == ESTIMATED.estimate
    assert waits.row["waiting_cost"] is None
