"""The decision record: strict JSON that says everything a verdict rests on."""

import json
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.run import Run
from driftgate.store import record as record_module
from driftgate.store.record import decision_record, record_text, without_nan
from tests.reports.runs import NO_TARGET, TARGET, column, finished, lost
from tests.store.examples import EXAMPLES

GOLDEN = Path(__file__).with_name("golden")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def read(run: Run) -> dict[str, Any]:
    return json.loads(record_text(run), parse_constant=refuse)


@settings(max_examples=40)
@given(values)
def test_any_value_without_nan_is_strict_json(value: Any) -> None:
    text = json.dumps(without_nan(value), allow_nan=False)
    assert json.loads(text, parse_constant=refuse) == json.loads(text)


def test_only_what_is_not_finite_becomes_null() -> None:
    odd = {"a": [math.nan, -math.inf, (1.5, math.inf)], "b": {"c": 0.0, "d": True, "e": "nan"}}
    assert without_nan(odd) == {"a": [None, None, [1.5, None]], "b": {"c": 0.0, "d": True, "e": "nan"}}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_record_is_written_as_earlier_releases_wrote_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "version", lambda package: f"{package} 1.0")
    assert record_text(EXAMPLES[name]) == (GOLDEN / f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("run", [finished(), finished(column("a"), lost("b")), finished(column("a"), target=NO_TARGET)])
def test_a_record_is_strict_json_and_comes_back_the_same(run: Run) -> None:
    assert read(run) == decision_record(run)
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
