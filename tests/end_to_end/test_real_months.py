"""The two real months, where they are at hand: known numbers, whatever the order of loading."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from driftgate.database import ConnectionParameters, prepare_database
from driftgate.decision import HeldBack
from driftgate.features.applying import ensure_applied
from driftgate.reports.chain import chain_text
from driftgate.reports.text import decision_line, target_line
from driftgate.run import Run
from driftgate.snapshots import ingest_month
from driftgate.store.history import past_record
from streamflow.source_tables import SOURCE_TABLES
from tests.conftest import SEEDS, new_database
from tests.parquet_repo import parquet_repository
from tests.snapshots.months import contents
from tests.workplace import Workplace, workplace_on

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason=f"the real months are not at {SEEDS}")

JAN, FEB = date(2024, 1, 31), date(2024, 2, 29)


@pytest.fixture(scope="module")
def place(
    server: ConnectionParameters,
    _loaded_template: ConnectionParameters,
    prefect_api: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Workplace]:
    """A database with the Feast repository applied and no month."""
    with (
        new_database(server, _loaded_template.dbname) as parameters,
        workplace_on(parameters, prefect_api, tmp_path_factory.mktemp("real")) as made,
    ):
        prepare_database(made.engine)
        forget(made)
        yield made


def forget(place: Workplace) -> None:
    with place.engine.begin() as connection:
        for table in contents(place.engine):
            connection.exec_driver_sql(f"TRUNCATE {table}")


@pytest.fixture(scope="module")
def runs(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Loaded in order; then in reverse order, one of them badly at first and again after that."""
    from flows.monitor import monitor_month

    months = {JAN: SEEDS / "month_000", FEB: SEEDS / "month_001"}
    for day in (JAN, FEB):
        ingest_month(place.engine, SOURCE_TABLES, months[day], day)
    forward = monitor_month(JAN, FEB)
    in_order = contents(place.engine)

    forget(place)
    bad = Path(shutil.copytree(months[JAN], tmp_path_factory.mktemp("bad") / "month"))
    usage = (bad / "usage_agg_30d.csv").read_text().splitlines()
    (bad / "usage_agg_30d.csv").write_text("\n".join(usage[: len(usage) // 2]) + "\n")
    (bad / "labels.csv").write_bytes((months[FEB] / "labels.csv").read_bytes())
    for day, folder in ((FEB, months[FEB]), (JAN, bad), (JAN, months[JAN]), (FEB, months[FEB])):
        ingest_month(place.engine, SOURCE_TABLES, folder, day)
    assert contents(place.engine) == in_order
    return forward, monitor_month(JAN, FEB)


@pytest.mark.parametrize("which", [0, 1], ids=["in order", "in reverse and again"])
def test_the_known_numbers(runs: tuple[Run, Run], which: int) -> None:
    run = runs[which]
    assert run.drift.drift_share == 1 / 14
    assert [item.name for item in run.drift.drifted] == ["rebuffer_events_7d"]
    scores = {item.name: item.score for item in run.drift.columns}
    assert scores["rebuffer_events_7d"] == pytest.approx(0.20499, abs=5e-5)
    assert scores["watch_hours_30d"] == pytest.approx(0.08874, abs=5e-5)
    assert scores["failed_payments_90d"] == pytest.approx(0.0282, abs=5e-5)
    assert scores["support_tickets_90d"] == pytest.approx(0.0319, abs=5e-5)
    assert len(scores) == 14
    # The features hardly moved, and what they mean has: a model of January knows nothing of February.
    assert run.decision.label == "RETRAINING_TRIGGERED (SIMULATED)"
    assert [signal.name for signal in run.decision.signals if signal.reached] == ["auc_drop"]
    assert run.performance.measures["auc"].ref == pytest.approx(0.85, abs=0.03)
    assert run.performance.measures["auc"].cur == pytest.approx(0.50, abs=0.03)
    assert (run.drift.rows_ref, run.drift.rows_cur) == (7043, 7043)


@pytest.mark.parametrize("which", [0, 1], ids=["in order", "in reverse and again"])
def test_the_known_lines(runs: tuple[Run, Run], which: int, place: Workplace) -> None:
    run = runs[which]
    assert target_line(run.target) == "[Target drift] ref_rate=0.2654 cur_rate=0.2415 abs_diff=0.0239"
    reports = f"report_html={run.paths.html} report_json={run.paths.json}"
    found = run.performance
    low, high = found.drop_interval
    assert decision_line(run) == (
        f"[Evidently] {reports} drift_share=0.07 -> RETRAINING_TRIGGERED (SIMULATED) auc_drop={found.drop:.2f} > 0.05 "
        f"[{low:.2f}, {high:.2f}], drift_share=0.07 < 0.30 (target_drift=0.0239)"
    )
    assert run.paths.html == place.reports / "drift_2024-01-31_vs_2024-02-29.html"


def test_no_null_is_lost_between_the_file_and_the_result(runs: tuple[Run, Run], place: Workplace) -> None:
    lines = (SEEDS / "month_000" / "subscriptions.csv").read_text().splitlines()
    position = lines[0].split(",").index("plan_stream_tv")
    blanks = sum(line.split(",")[position] == "" for line in lines[1:])
    assert (blanks, len(lines) - 1) == (1526, 7043)
    with place.engine.connect() as connection:
        query = "SELECT count(*) FROM subscriptions_profile_snapshots WHERE plan_stream_tv IS NULL AND as_of = :day"
        assert connection.execute(text(query), {"day": JAN}).scalar_one() == blanks
        query = "SELECT values_ref, missing_share_ref FROM monitor_columns WHERE name = 'plan_stream_tv'"
        assert connection.execute(text(query)).one() == (7043 - blanks, pytest.approx(blanks / 7043))
    for run in runs:
        (column,) = (item for item in run.drift.columns if item.name == "plan_stream_tv")
        assert column.values_ref == 7043 - blanks
        assert round(column.missing_ref * 7043) == blanks


def test_both_orders_give_the_same_result(runs: tuple[Run, Run]) -> None:
    # The order of rows decides the order of sums, and so the last digits.
    first, second = ([(item.name, item.drifted, round(item.score, 9)) for item in run.drift.columns] for run in runs)
    assert first == second
    assert runs[0].target == runs[1].target
    assert runs[0].decision.reasons == runs[1].decision.reasons


def test_the_drop_is_of_what_the_features_mean_and_a_new_model_would_win_it_back(runs: tuple[Run, Run]) -> None:
    found = runs[0].performance
    assert found.gain.surely_positive and found.gain.value > 0.05
    assert found.causes.split and found.causes.meaning.low > 0.2 > 0.1 > abs(found.causes.entities.value)


# A repository of files has the engine of one of DuckDB.
@pytest.mark.parametrize("kind", ["duckdb", pytest.param("file", marks=pytest.mark.slow)])
def test_the_same_from_parquet_files_by_another_feature_store_yaml(
    runs: tuple[Run, Run], place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from flows.monitor import monitor_month

    repo = parquet_repository(place.engine, tmp_path / "repo", kind)
    ensure_applied(place.engine, place.parameters, repo)
    monkeypatch.setenv("FEAST_REPO", str(repo))
    monkeypatch.setenv("REPORT_DIR", str(tmp_path / "reports"))
    run = monitor_month(JAN, FEB)
    assert target_line(run.target) == "[Target drift] ref_rate=0.2654 cur_rate=0.2415 abs_diff=0.0239"
    assert "drift_share=0.07 ->" in decision_line(run)
    assert run.drift.drift_share == 1 / 14
    assert run.decision.reasons == runs[1].decision.reasons
    scores = [{item.name: round(item.score, 9) for item in found.drift.columns} for found in (run, runs[1])]
    assert scores[0] == scores[1]


@pytest.mark.slow
def test_after_the_retraining_the_real_months_do_not_trigger_again(runs: tuple[Run, Run], place: Workplace) -> None:
    from flows.monitor import monitor_month
    from flows.retrain_flow import train_and_compare
    from flows.train_flow import train_month

    train_month(JAN)
    before = monitor_month(JAN, FEB)
    assert before.decision.triggered and before.performance.version == "1" and before.performance.gain.surely_positive
    assert train_and_compare(FEB).promote
    after = monitor_month(JAN, FEB)
    assert not after.decision.triggered and after.decision.held_back_code is HeldBack.CHAMPION_KNOWS
    record = past_record(place.engine, "churn", FEB, JAN)
    assert chain_text(record).endswith("triggered under v1, v2 promoted, fine since")
