"""What flows push: the samples of a run, and what a real Pushgateway holds after successes and failures."""

import logging
import math
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from driftgate.drift.result import ColumnResult, ColumnState
from driftgate.features.skew import Mismatch, Served, Skew, SourceSkew
from driftgate.performance.result import Change, Gain, Performance, PerformanceState
from driftgate.pushgateway import (
    METRICS,
    MONITOR_FLOW,
    RETRAIN_FLOW,
    SKEW_FLOW,
    TRAIN_FLOW,
    Champion,
    champion_samples,
    monitor_samples,
    push_failure,
    push_monitor_run,
    push_predictions,
    push_promotion,
    push_skew,
    push_training,
)
from driftgate.run import Run
from tests.reports.runs import NO_TARGET, TARGET, column, finished, lost, measured
from tests.services.daemons import pushgateway

AGREED = {
    "driftgate_drift_share": set(),
    "driftgate_drift_threshold": set(),
    "driftgate_target_drift": set(),
    "driftgate_target_threshold": set(),
    "driftgate_column_score": {"column", "method"},
    "driftgate_column_drifted": {"column"},
    "driftgate_column_state": {"column", "state"},
    "driftgate_column_missing_share": {"column"},
    "driftgate_decision": {"verdict"},
    "driftgate_rows_compared": {"month"},
    "driftgate_run_duration_seconds": set(),
    "driftgate_last_success_timestamp_seconds": set(),
    "driftgate_last_run_failed": set(),
    "driftgate_champion_metric": {"metric", "model_version"},
    "driftgate_performance_drop": set(),
    "driftgate_performance_drop_low": set(),
    "driftgate_performance_threshold": set(),
    "driftgate_retrain_gain": set(),
    "driftgate_retrain_gain_low": set(),
    "driftgate_held_back": {"code"},
    "driftgate_promotion_warnings": {"model_version"},
    "driftgate_skew_share": {"source"},
    "driftgate_skew_threshold": set(),
    "driftgate_skew_entities": {"source"},
    "driftgate_skew_mismatches": {"source", "column"},
}
NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)


def dropped(run: Run, drop: float) -> Run:
    """The run with the champion's AUC fallen by so much."""
    chance = 0.001 if drop > 0.03 else 0.2
    measures = {"auc": Change(0.82, 0.82 - drop, -drop - 0.03, -drop + 0.03, chance)}
    return replace(run, performance=Performance(PerformanceState.MEASURED, version="1", measures=measures))


Key = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pushgateway(tmp_path_factory.mktemp("pushgateway")) as url:
        yield url


def held(url: str, flow: str, monitor: str) -> dict[Key, float]:
    """What the Pushgateway holds of a group; its own labels are left out."""
    with urlopen(f"{url}/metrics", timeout=10) as response:
        families = text_string_to_metric_families(response.read().decode())
    group = {"job": "driftgate", "flow": flow, "monitor": monitor, "instance": ""}
    return {
        (sample.name, frozenset(item for item in sample.labels.items() if item[0] not in group)): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("driftgate_") and group.items() <= sample.labels.items()
    }


def key(name: str, **labels: str) -> Key:
    return name, frozenset(labels.items())


def test_the_names_are_those_that_were_agreed() -> None:
    assert set(METRICS) == set(AGREED)


numbers = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def columns(draw: st.DrawFn) -> tuple[ColumnResult, ...]:
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4, unique=True))
    return tuple(
        ColumnResult(
            name,
            "view",
            "FLOAT64",
            draw(st.sampled_from(ColumnState)),
            missing_cur=draw(numbers),
            method=draw(st.sampled_from(["ks", "wasserstein", ""])),
            score=draw(numbers),
            threshold=0.1,
            drifted=draw(st.booleans()),
        )
        for name in names
    )


@given(columns=columns(), drop=st.none() | numbers, ref=numbers)
def test_only_agreed_names_with_agreed_labels_and_finite_values(
    columns: tuple[ColumnResult, ...], drop: float | None, ref: float
) -> None:
    run = finished(*columns, target=replace(TARGET, ref=ref))
    run = run if drop is None else dropped(run, drop)
    samples = monitor_samples(run)
    for sample in samples:
        assert set(sample.labels) == AGREED[sample.name]
        assert math.isfinite(sample.value)
    series = [(sample.name, *sorted(sample.labels.items())) for sample in samples]
    assert len(series) == len(set(series))
    names = [sample.name for sample in samples]
    for name in ("driftgate_performance_drop", "driftgate_performance_drop_low"):
        assert (name in names) == (drop is not None and math.isfinite(drop))
    assert "driftgate_performance_threshold" in names
    assert ("driftgate_target_drift" in names) == math.isfinite(run.target.abs_diff)
    for item in columns:
        states = [
            sample
            for sample in samples
            if sample.name == "driftgate_column_state" and sample.labels["column"] == item.name
        ]
        assert [sample.labels["state"] for sample in states if sample.value == 1] == [str(item.state)]
        assert len(states) == len(ColumnState)


def test_a_run_is_pushed_whole(gateway: str) -> None:
    run = finished(*(column(f"f{n}", 0.5 if n < 8 else 0.01) for n in range(13)), lost("gone"), target_threshold=0.1)
    push_monitor_run(gateway, dropped(run, 0.31), 12.5)
    found = held(gateway, "monitor_month", "churn")
    assert found[key("driftgate_drift_share")] == run.drift.drift_share == 9 / 14
    assert found[key("driftgate_drift_threshold")] == 0.3
    assert found[key("driftgate_target_drift")] == pytest.approx(0.02385, abs=1e-4)
    assert found[key("driftgate_target_threshold")] == 0.1
    assert found[key("driftgate_performance_drop")] == pytest.approx(0.31)
    assert found[key("driftgate_performance_drop_low")] == pytest.approx(0.28)
    assert found[key("driftgate_performance_threshold")] == 0.05
    assert found[key("driftgate_column_score", column="f0", method="wasserstein")] == 0.5
    assert found[key("driftgate_column_drifted", column="f0")] == 1
    assert found[key("driftgate_column_drifted", column="f8")] == 0
    assert found[key("driftgate_column_missing_share", column="f0")] == 0.1
    assert found[key("driftgate_column_state", column="gone", state="missing")] == 1
    assert found[key("driftgate_column_state", column="gone", state="compared")] == 0
    assert found[key("driftgate_decision", verdict="RETRAINING_TRIGGERED")] == 1
    assert found[key("driftgate_decision", verdict="NO_ACTION")] == 0
    assert found[key("driftgate_rows_compared", month="ref")] == 7043
    assert found[key("driftgate_run_duration_seconds")] == 12.5
    assert found[key("driftgate_last_success_timestamp_seconds")] == NOON.timestamp()
    assert found[key("driftgate_last_run_failed")] == 0
    assert not [name for name, labels in found if name == "driftgate_column_score" and ("column", "gone") in labels]


def test_a_rerun_leaves_nothing_of_what_is_gone(gateway: str) -> None:
    push_monitor_run(gateway, dropped(finished(column("old"), column("kept"), name="rerun"), 0.2), 1)
    push_monitor_run(gateway, finished(column("kept"), target=NO_TARGET, name="rerun"), 1)
    found = held(gateway, MONITOR_FLOW, "rerun")
    assert {dict(labels)["column"] for _, labels in found if "column" in dict(labels)} == {"kept"}
    assert key("driftgate_target_drift") not in found
    assert key("driftgate_performance_drop") not in found
    assert key("driftgate_performance_drop_low") not in found


def test_a_failure_leaves_the_last_success_and_what_it_found(gateway: str) -> None:
    push_monitor_run(gateway, finished(column("fee"), column("old"), name="failing"), 1)
    before = held(gateway, MONITOR_FLOW, "failing")
    push_failure(gateway, MONITOR_FLOW, "failing", 2.5)
    after = held(gateway, MONITOR_FLOW, "failing")
    assert {name for name in before | after if before.get(name) != after.get(name)} == {
        key("driftgate_last_run_failed"),
        key("driftgate_run_duration_seconds"),
    }
    assert after[key("driftgate_last_run_failed")] == 1

    push_failure(gateway, MONITOR_FLOW, "failing", 2.5, {"fee": "all null"})
    states = {
        labels: value for (name, labels), value in held(gateway, MONITOR_FLOW, "failing").items() if "state" in name
    }
    assert [dict(labels) for labels, value in states.items() if value == 1] == [{"column": "fee", "state": "all null"}]
    assert len(states) == len(ColumnState)

    push_monitor_run(gateway, finished(column("fee"), name="failing"), 1)
    assert held(gateway, MONITOR_FLOW, "failing")[key("driftgate_last_run_failed")] == 0


def test_a_first_run_that_fails_claims_no_success(gateway: str) -> None:
    push_failure(gateway, TRAIN_FLOW, "new", 1)
    found = held(gateway, TRAIN_FLOW, "new")
    assert set(found) == {key("driftgate_last_run_failed"), key("driftgate_run_duration_seconds")}


def test_training_tells_of_the_champion_and_keeps_it_when_told_of_none(gateway: str) -> None:
    push_training(gateway, "trained", 5, NOON, Champion("1", {"auc": 0.82, "log_loss": math.nan, "f1": 0.6}))
    champion = key("driftgate_champion_metric", metric="auc", model_version="1")
    found = held(gateway, TRAIN_FLOW, "trained")
    assert found[champion] == 0.82
    assert key("driftgate_champion_metric", metric="log_loss", model_version="1") not in found

    push_training(gateway, "trained", 7, NOON)
    found = held(gateway, TRAIN_FLOW, "trained")
    assert found[champion] == 0.82
    assert found[key("driftgate_run_duration_seconds")] == 7

    push_training(gateway, "trained", 7, NOON, Champion("2", {"auc": 0.9}))
    found = held(gateway, TRAIN_FLOW, "trained")
    assert champion not in found
    assert found[key("driftgate_champion_metric", metric="auc", model_version="2")] == 0.9


def test_a_promotion_tells_of_its_warnings_until_the_next(gateway: str) -> None:
    push_promotion(gateway, "promoted", "2", 2)
    push_promotion(gateway, "promoted", "3", 0)
    found = held(gateway, RETRAIN_FLOW, "promoted")
    assert found == {key("driftgate_promotion_warnings", model_version="3"): 0}


def test_the_gain_and_the_rule_that_holds_back_are_told(gateway: str) -> None:
    gain = Gain(-0.01, -0.03, 0.01, 700)
    run = finished(performance=replace(measured(0.83, 0.5), gain=gain), name="no_gain", require_gain=True)
    push_monitor_run(gateway, run, 1)
    found = held(gateway, MONITOR_FLOW, "no_gain")
    assert found[key("driftgate_retrain_gain")] == -0.01 and found[key("driftgate_retrain_gain_low")] == -0.03
    assert found[key("driftgate_held_back", code="no_gain")] == 1
    assert found[key("driftgate_held_back", code="cooldown")] == 0

    push_monitor_run(gateway, finished(name="no_gain"), 1)
    found = held(gateway, MONITOR_FLOW, "no_gain")
    assert key("driftgate_retrain_gain") not in found and found[key("driftgate_held_back", code="no_gain")] == 0


def test_predictions_tell_that_they_ran(gateway: str) -> None:
    push_predictions(gateway, "churn", 3, NOON)
    found = held(gateway, "predict_month", "churn")
    assert found == {
        key("driftgate_run_duration_seconds"): 3,
        key("driftgate_last_success_timestamp_seconds"): NOON.timestamp(),
        key("driftgate_last_run_failed"): 0,
    }


def test_what_is_served_otherwise_is_told_until_it_is_mended(gateway: str) -> None:
    online = SourceSkew(Served.ONLINE, 2000, 2, mismatches=(Mismatch("fee", 2, ("u1", "u2")),))
    log = SourceSkew(Served.LOG, 0)
    push_skew(gateway, Skew("skewed", date(2024, 3, 31), 2000, 0.01, (online, log)), 1, NOON)
    found = held(gateway, SKEW_FLOW, "skewed")
    assert found[key("driftgate_skew_share", source="online")] == 0.001
    assert key("driftgate_skew_share", source="log") not in found
    assert found[key("driftgate_skew_threshold")] == 0.01
    assert found[key("driftgate_skew_entities", source="log")] == 0
    assert found[key("driftgate_skew_mismatches", source="online", column="fee")] == 2

    push_skew(gateway, Skew("skewed", date(2024, 3, 31), 2000, 0.01, (SourceSkew(Served.ONLINE, 2000), log)), 1, NOON)
    found = held(gateway, SKEW_FLOW, "skewed")
    assert found[key("driftgate_skew_share", source="online")] == 0
    assert key("driftgate_skew_mismatches", source="online", column="fee") not in found


def test_flows_and_monitors_do_not_touch_each_other(gateway: str) -> None:
    push_predictions(gateway, "a", 1, NOON)
    push_training(gateway, "a", 2, NOON, Champion("1", {}))
    push_failure(gateway, "predict_month", "b/c d", 3)
    assert held(gateway, "predict_month", "a")[key("driftgate_run_duration_seconds")] == 1
    assert held(gateway, TRAIN_FLOW, "a")[key("driftgate_run_duration_seconds")] == 2
    assert held(gateway, "predict_month", "b/c d")[key("driftgate_run_duration_seconds")] == 3


def test_names_of_any_alphabet_arrive(gateway: str) -> None:
    name = 'größe "neu"\\\n'
    push_monitor_run(gateway, finished(column(name), name="names"), 1)
    assert held(gateway, MONITOR_FLOW, "names")[key("driftgate_column_drifted", column=name)] == 0


def test_a_champion_without_figures_has_no_samples() -> None:
    assert champion_samples(None) == []
    assert champion_samples(Champion("1", {"auc": math.inf})) == []


def test_without_an_address_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        push_monitor_run(None, finished(), 1)
        push_failure(None, MONITOR_FLOW, "churn", 1)
    assert not caplog.records


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "http://user:secret@127.0.0.1:1",
        "http://[secret",
        "ftp://user:secret@127.0.0.1:1",
        "http://secret secret@127.0.0.1:1",
        "http://",
        "",
    ],
)
def test_a_gateway_that_cannot_be_reached_costs_a_warning(url: str, caplog: pytest.LogCaptureFixture) -> None:
    push_monitor_run(url, finished(), 1)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("the metrics of monitor_month for churn did not reach the Pushgateway")
    assert "secret" not in record.getMessage()


def test_a_refusal_costs_a_warning(gateway: str, caplog: pytest.LogCaptureFixture) -> None:
    push_failure(f"{gateway}/nowhere", MONITOR_FLOW, "refused", 1)
    assert "404" in caplog.text
    assert not held(gateway, MONITOR_FLOW, "refused")


def test_an_answer_that_is_not_http_costs_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def babble() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"nonsense\r\n\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        push_failure(f"http://127.0.0.1:{listening.getsockname()[1]}", MONITOR_FLOW, "churn", 1)
        thread.join()
    assert caplog.records
