"""Training and registering, on a real Prefect server, a real Feast registry and MLflow on a real PostgreSQL."""

import json
import re
from datetime import date
from pathlib import Path
from urllib.request import urlopen

import pytest
from sqlalchemy import text

from driftgate.errors import ConfigurationError, DataError, UnknownMonthError, UsageError
from driftgate.planning import Reports
from driftgate.training.metrics import auc
from driftgate.training.registry.models import ModelRegistry, TrainedVersion
from driftgate.training.text import training_line
from driftgate.training.threshold import best_threshold
from streamflow.source_tables import SOURCE_TABLES
from tests.conftest import SEEDS
from tests.services.daemons import pushgateway
from tests.workplace import Workplace

MONTHS = [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)]
STEPS = {"plan", "features", "labels", "dataset", "fit", "evaluate", "register"}


@pytest.fixture(scope="module")
def registry(workplace: Workplace) -> ModelRegistry:
    return ModelRegistry(workplace.parameters, Path(workplace.environment["MLFLOW_ARTIFACTS"]), "streamflow_churn")


@pytest.fixture(scope="module")
def trained(workplace: Workplace) -> list[TrainedVersion]:
    """The first month, the same again, and the newest that leaves one to measure the model on."""
    from flows.train_flow import train_month

    return [train_month(MONTHS[0]), train_month(MONTHS[0]), train_month()]


def test_the_first_version_is_the_champion_and_a_rerun_is_no_version(trained: list[TrainedVersion]) -> None:
    first, again, newest = (item.registered for item in trained)
    assert (first.version, first.alias, first.created) == ("1", "champion", True)
    assert (again.version, again.alias, again.created) == ("1", "champion", False)
    assert (newest.version, newest.alias, newest.created) == ("2", "challenger", True)
    assert trained[0].training == trained[1].training
    assert trained[2].training.as_of == MONTHS[1]


def test_it_learns_what_there_is_to_learn(trained: list[TrainedVersion]) -> None:
    first, _, newest = (item.training for item in trained)
    # The sample's own model has .82 in the first month.
    assert 0.76 < first.metrics["auc"] < 0.88
    assert 0.66 < newest.metrics["auc"] < 0.88
    assert first.metrics["calibration_error"] < 0.1
    assert first.train_rows + first.validation_rows + first.unlabelled_rows == 2000
    assert len(first.features) == 14


def test_the_registry_has_what_the_flow_returned(trained: list[TrainedVersion], registry: ModelRegistry) -> None:
    info = registry.version_info("1")
    assert {name: getattr(info, name) for name in vars(trained[0].training)} == vars(trained[0].training)
    judged = registry.judged(info)
    held_out = judged.filter(judged.column("validation"))
    assert held_out.num_rows == info.validation_rows
    area = auc(held_out.column("label").to_numpy(), held_out.column("score").to_numpy())
    assert area == info.metrics["auc"]
    assert best_threshold(held_out.column("label").to_numpy(), held_out.column("score").to_numpy()) == info.threshold
    model = registry.load("1")
    assert model.scores({name: [None] for name in model.features}).shape == (1,)


def test_every_step_and_a_page_are_in_prefect(trained: list[TrainedVersion], workplace: Workplace) -> None:
    run = workplace.flow_run("train churn: newest seed 42")
    assert run["state_type"] == "COMPLETED"
    assert set(workplace.task_runs(run)) == STEPS
    assert training_line(trained[2]) in workplace.logs(run, until="[Train]")
    (page,) = workplace.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    assert page["key"] == "training-churn-2024-02-29" and page["type"] == "markdown"
    assert page["data"].startswith("# streamflow_churn version 2, challenger")
    assert f"| auc | {trained[2].training.metrics['auc']:.4f} |" in page["data"]
    assert "| 0.2 to 0.3 |" in page["data"]


def test_nothing_is_left_behind(trained: list[TrainedVersion], workplace: Workplace) -> None:
    assert list((Path(workplace.environment["DRIFTGATE_HOME"]) / "scratch").rglob("run-*")) == []


def test_the_line_names_everything(trained: list[TrainedVersion]) -> None:
    metrics, threshold = trained[0].training.metrics, trained[0].training.threshold
    rows = trained[0].training.train_rows + trained[0].training.validation_rows
    assert training_line(trained[0]) == (
        f"[Train] model=streamflow_churn version=1 alias=champion as_of=2024-01-31 auc={metrics['auc']:.4f} "
        f"f1={metrics['f1']:.4f} accuracy={metrics['accuracy']:.4f} log_loss={metrics['log_loss']:.4f} "
        f"calibration_error={metrics['calibration_error']:.4f} threshold={threshold} rows={rows}"
    )


def test_what_cannot_be_trained_is_said_before_anything_is_read(
    workplace: Workplace, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.train_flow import train_month

    with pytest.raises(UnknownMonthError, match="2024-03-31, 2024-02-29, 2024-01-31"):
        train_month(date(2020, 1, 31))
    with pytest.raises(UsageError, match="seed is -1"):
        train_month(seed=-1)
    monitors = Path(workplace.environment["DRIFTGATE_MONITORS"]).read_text()
    for line, word in (
        ('model = "streamflow_churn"', "names no model"),
        ('source = "labels"', "no label with"),
    ):
        other = tmp_path / "monitors.toml"
        other.write_text(monitors.replace(line, 'table = "labels"' if "labels" in line else ""))
        monkeypatch.setenv("DRIFTGATE_MONITORS", str(other))
        with pytest.raises(ConfigurationError, match=word):
            train_month()
    assert "Traceback" not in "".join(capfd.readouterr())


@pytest.mark.usefixtures("trained")
def test_a_model_with_a_typing_error_in_its_name_is_refused_and_the_verdict_stays(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.monitor import monitor_month
    from flows.retrain_flow import train_and_compare

    run = monitor_month(MONTHS[0], MONTHS[1], notify=False, reports=Reports.NONE)
    assert run.performance.version == "1"
    record = run.paths.record.read_bytes()
    other = tmp_path / "monitors.toml"
    text_ = Path(workplace.environment["DRIFTGATE_MONITORS"]).read_text()
    monkeypatch.setenv("DRIFTGATE_MONITORS", str(other))
    for name in ("streamflow_chrun", "something_else"):
        other.write_text(text_.replace("streamflow_churn", name))
        for job in (lambda: monitor_month(MONTHS[0], MONTHS[1], notify=False), train_and_compare):
            with pytest.raises(ConfigurationError, match=f"'{name}'.*was trained as .*did you mean 'streamflow_churn'"):
                job()
    assert run.paths.record.read_bytes() == record
    with workplace.engine.connect() as connection:
        champion = connection.execute(text("SELECT champion_version FROM monitor_runs")).scalar_one()
    assert champion == "1"


def test_the_month_taken_leaves_a_later_one_with_labels_where_there_is_one(
    workplace: Workplace, registry: ModelRegistry
) -> None:
    from flows.train_flow import train_month

    with workplace.engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept AS SELECT * FROM labels"))
        connection.execute(text("DELETE FROM labels WHERE period_start = '2024-03-31'"))
    try:
        assert train_month(seed=7).training.as_of == MONTHS[0]
        with workplace.engine.begin() as connection:
            connection.execute(text("DELETE FROM labels WHERE period_start = '2024-02-29'"))
        assert train_month(seed=7).training.as_of == MONTHS[0], "the only one"
        with workplace.engine.begin() as connection:
            connection.execute(text("DELETE FROM labels"))
        before = registry.versions()
        with pytest.raises(DataError, match="2024-03-31: pending, 0% labelled"):
            train_month()
        assert registry.versions() == before
    finally:
        with workplace.engine.begin() as connection:
            connection.execute(text("DELETE FROM labels"))
            connection.execute(text("INSERT INTO labels SELECT * FROM kept"))
            connection.execute(text("DROP TABLE kept"))


def test_success_and_failure_reach_the_pushgateway(
    trained: list[TrainedVersion], workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.train_flow import train_month

    with pushgateway(tmp_path) as url:
        monkeypatch.setenv("PUSHGATEWAY_URL", url)
        train_month(MONTHS[2])
        with urlopen(f"{url}/metrics") as answer:
            pushed = answer.read().decode()
        # The champion's, which is not the version just trained.
        found = re.search(r'driftgate_champion_metric{.*metric="auc",model_version="1",.*} (\S+)', pushed)
        assert found and float(found[1]) == pytest.approx(trained[0].training.metrics["auc"])
        assert re.search(r'driftgate_last_run_failed{.*flow="train_month".*monitor="churn".*} 0', pushed)
        with pytest.raises(UnknownMonthError):
            train_month(date(2020, 1, 31))
        with urlopen(f"{url}/metrics") as answer:
            assert re.search(r'driftgate_last_run_failed{.*flow="train_month".*} 1', answer.read().decode())


def test_the_command_prints_the_line_and_nothing_else(
    trained: list[TrainedVersion], capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.cli.app import app

    app(args=["train", "--as-of", "2024-01-31"], standalone_mode=False)
    assert capsys.readouterr().out == training_line(trained[0]) + "\n"
    app(args=["train", "--as-of", "2024-01-31", "--json"], standalone_mode=False)
    content = json.loads(capsys.readouterr().out)
    assert (content["version"], content["created"]) == (trained[0].registered.version, False)
    assert content["metrics"] == pytest.approx(trained[0].training.metrics)


@pytest.mark.slow
@pytest.mark.skipif(not SEEDS.is_dir(), reason=f"the real months are not at {SEEDS}")
def test_the_real_month_has_its_own_area(
    server: object, prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """About .82 on the month it was trained on, and no better than a coin a month later."""
    import numpy as np
    import pyarrow as pa

    from driftgate.database import connect
    from driftgate.features.applying import ensure_applied
    from driftgate.snapshots import ingest_month
    from driftgate.training.dataset import input_columns
    from flows.runtime.environment import feature_worker
    from flows.train_flow import train_month
    from tests.conftest import FEATURE_REPO, new_database
    from tests.workplace import workplace_on

    folder = tmp_path_factory.mktemp("real")
    with new_database(server) as parameters, workplace_on(parameters, prefect_api, folder) as place:  # type: ignore[arg-type]
        engine = connect(parameters)
        for name, day in (("month_000", MONTHS[0]), ("month_001", MONTHS[1])):
            ingest_month(engine, SOURCE_TABLES, SEEDS / name, day)
        ensure_applied(engine, parameters, FEATURE_REPO)
        trained = train_month(MONTHS[0])
        assert trained.training.train_rows + trained.training.validation_rows == 7043
        assert 0.80 < trained.training.metrics["auc"] < 0.86
        from driftgate.training.plan import plan_month

        worker = feature_worker(parameters)
        plan = plan_month(worker, "churn", MONTHS[1], Path(place.environment["DRIFTGATE_MONITORS"]), FEATURE_REPO)
        month = plan.read_features(worker, folder / "features.arrow")
        with pa.memory_map(str(month.path)) as source:
            table = pa.ipc.open_file(source).read_all()
        registry = ModelRegistry(parameters, Path(place.environment["MLFLOW_ARTIFACTS"]), "streamflow_churn")
        scores = registry.load("1").scores(input_columns(table, trained.training.features))
        with engine.connect() as connection:
            rows = connection.execute(
                text("SELECT user_id, churn_label FROM labels WHERE period_start = :day"), {"day": MONTHS[1]}
            ).all()
        labels = dict(rows)
        assert 0.45 < auc(np.array([labels[user] for user in table.column("user_id").to_pylist()]), scores) < 0.55
        registry.close()
        engine.dispose()
