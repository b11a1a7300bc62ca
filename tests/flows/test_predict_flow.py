"""Batch prediction on a real Prefect server: files, rows, and the summary that comes last."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from sqlalchemy import text

from driftgate.errors import ConfigurationError, DataError, UnknownMonthError
from driftgate.features.files import read_file
from driftgate.predictions.batch import Batch, BatchSummary, batch_line
from driftgate.training.dataset import input_columns
from driftgate.training.plan import plan_month
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.threshold import EARLIER_THRESHOLD
from tests.conftest import FEATURE_REPO
from tests.services.daemons import pushgateway
from tests.workplace import Workplace

MONTHS = [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)]
Run = tuple[Batch, BatchSummary]


@pytest.fixture(scope="module")
def folder(workplace: Workplace) -> Path:
    return Path(workplace.environment["PREDICTION_DIR"])


@pytest.fixture(scope="module")
def runs(workplace: Workplace) -> list[Run]:
    """Without a champion first; then one month twice, and the newest."""
    from flows.predict_flow import predict_month
    from flows.train_flow import train_month

    with pytest.raises(DataError, match=r"(?s)streamflow_churn has no champion.*driftgate train"):
        predict_month(MONTHS[1])
    assert not Path(workplace.environment["PREDICTION_DIR"]).exists()
    train_month(MONTHS[0])
    return [predict_month(MONTHS[1]), predict_month(MONTHS[1]), predict_month()]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def query(workplace: Workplace, statement: str, **values: Any) -> list[Any]:
    with workplace.engine.connect() as connection:
        return list(connection.execute(text(statement), values))


def test_every_user_has_the_score_that_the_model_gives_to_the_offline_features(
    runs: list[Run], workplace: Workplace, tmp_path: Path
) -> None:
    from flows.runtime.environment import feature_worker

    plan = plan_month(
        feature_worker(workplace.parameters),
        "churn",
        MONTHS[1],
        Path(workplace.environment["DRIFTGATE_MONITORS"]),
        FEATURE_REPO,
    )
    month = plan.read_features(feature_worker(workplace.parameters), tmp_path / "features.arrow")
    registry = ModelRegistry(workplace.parameters, Path(workplace.environment["MLFLOW_ARTIFACTS"]), plan.model)
    table = read_file(month.path)
    assert any(table.column(item.name).null_count for item in month.declared), "users with gaps are scored too"
    model, info = registry.load("1"), registry.version_info("1")
    scores = model.scores(input_columns(table, info.features))
    wanted = dict(zip(table.column("user_id").to_pylist(), scores.tolist(), strict=True))
    rows = read_csv(runs[0][0].path)
    assert {row["user_id"]: float(row["probability"]) for row in rows} == wanted
    assert len(rows) == len(wanted) == 2000
    # The service predicts by the same call.
    predicted = dict(zip(wanted, model.predictions(scores).values, strict=True))
    assert {row["user_id"]: int(row["prediction"]) for row in rows} == predicted
    assert predicted == {user: int(score >= runs[0][0].threshold) for user, score in wanted.items()}
    assert model.threshold == info.threshold == runs[0][0].threshold != EARLIER_THRESHOLD
    registry.close()


def test_table_file_and_summary_say_the_same(runs: list[Run], workplace: Workplace) -> None:
    for batch, summary in runs:
        rows = query(workplace, "SELECT * FROM predictions WHERE source = 'batch' AND time = :time", time=batch.time)
        file = read_csv(batch.path)
        assert {(row.entity_key, row.prediction, row.probability) for row in rows} == {
            (row["user_id"], int(row["prediction"]), float(row["probability"])) for row in file
        }
        assert {(row.model_version, row.as_of) for row in rows} == {("1", batch.as_of)}
        (kept,) = query(workplace, "SELECT * FROM prediction_monitoring WHERE batch_id = :id", id=batch.batch_id)
        assert dict(kept._mapping) == vars(summary)
        scores = np.array([float(row["probability"]) for row in file])
        assert (summary.count, summary.mean) == (len(scores), pytest.approx(scores.mean()))
        assert summary.positive_share == (scores >= batch.threshold).mean()
        assert (summary.p05, summary.p50, summary.p95) == tuple(np.quantile(scores, [0.05, 0.5, 0.95]))


def test_a_rerun_is_a_batch_of_its_own_and_latest_is_the_last(runs: list[Run], folder: Path) -> None:
    one, again, newest = (batch for batch, _ in runs)
    assert one.as_of == again.as_of == MONTHS[1] and newest.as_of == MONTHS[2]
    assert len({batch.batch_id for batch, _ in runs}) == 3
    assert [row["probability"] for row in read_csv(one.path)] == [row["probability"] for row in read_csv(again.path)]
    for batch, _ in runs:
        assert batch.path == folder / f"{batch.time:%Y%m%d-%H%M%S}.csv"
        assert {row["predictions_time"] for row in read_csv(batch.path)} == {batch.time.isoformat()}
    assert (folder / "latest.csv").read_bytes() == newest.path.read_bytes() != one.path.read_bytes()
    assert len(list(folder.iterdir())) == 4


def test_the_summary_is_the_last_step(runs: list[Run], workplace: Workplace) -> None:
    run = workplace.flow_run("predict churn: 2024-02-29")
    assert run["state_type"] == "COMPLETED"
    steps = workplace.task_runs(run)
    order = sorted(steps, key=lambda name: steps[name]["start_time"])
    assert order == ["plan", "features", "score", "write-csv", "write-rows", "summarise"]
    assert batch_line(*runs[1]) in workplace.logs(run, until="[Predict]")
    (page,) = workplace.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    assert page["data"].startswith("# 2,000 entities scored")
    assert list((Path(workplace.environment["DRIFTGATE_HOME"]) / "scratch").rglob("run-*")) == []


def test_the_line_names_everything(runs: list[Run]) -> None:
    batch, summary = runs[0]
    assert batch_line(batch, summary) == (
        f"[Predict] as_of=2024-02-29 rows=2000 positive_share={summary.positive_share:.4f} csv={batch.path}"
    )


@pytest.fixture
def blocked(workplace: Workplace) -> Iterator[None]:
    """A database in which nobody can write predictions."""
    with workplace.engine.begin() as connection:
        connection.execute(text("ALTER TABLE predictions ADD CONSTRAINT closed CHECK (time < '2000-01-01') NOT VALID"))
    yield
    with workplace.engine.begin() as connection:
        connection.execute(text("ALTER TABLE predictions DROP CONSTRAINT closed"))


def test_a_batch_whose_rows_are_not_written_has_no_summary(
    runs: list[Run], workplace: Workplace, folder: Path, blocked: None, capfd: pytest.CaptureFixture[str]
) -> None:
    from driftgate.errors import DatabaseError
    from flows.predict_flow import predict_month

    before = query(workplace, "SELECT * FROM prediction_monitoring ORDER BY time")
    started = datetime.now(UTC).replace(microsecond=0)
    with pytest.raises(DatabaseError, match="saving predictions"):
        predict_month(MONTHS[0])
    assert query(workplace, "SELECT * FROM prediction_monitoring ORDER BY time") == before
    assert query(workplace, "SELECT * FROM predictions WHERE time >= :time", time=started) == []
    assert "Traceback" not in "".join(capfd.readouterr())


KILLED = """
import os, sys
from datetime import date
from flows import predict_flow

def end(*_):
    os._exit(9)

predict_flow.save_batch = end
predict_flow.predict_month(date(2024, 1, 31))
"""


@pytest.mark.slow
def test_a_run_that_is_killed_between_file_and_table_leaves_no_summary(
    runs: list[Run], workplace: Workplace, folder: Path
) -> None:
    from flows.predict_flow import predict_month

    before, files = query(workplace, "SELECT * FROM prediction_monitoring ORDER BY time"), set(folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={**os.environ, **workplace.environment, "PREFECT_API_URL": workplace.api},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 9, done.stderr
    (orphan,) = set(folder.iterdir()) - files
    assert len(read_csv(orphan)) == 2000, "the file is whole"
    assert query(workplace, "SELECT * FROM prediction_monitoring ORDER BY time") == before
    killed = workplace.flow_run("predict churn: 2024-01-31")
    assert killed["state_type"] == "RUNNING"
    batch, summary = predict_month(MONTHS[0])
    assert summary.count == 2000 and batch.path != orphan
    assert workplace.ask("flow_runs/filter", flow_runs={"id": {"any_": [killed["id"]]}})[0]["state_type"] == "CRASHED"
    assert (folder / "latest.csv").read_bytes() == batch.path.read_bytes()


def test_what_cannot_be_predicted_is_said_plainly(
    runs: list[Run], workplace: Workplace, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.predict_flow import predict_month

    before = sorted(folder.iterdir())
    with pytest.raises(UnknownMonthError, match="2024-03-31, 2024-02-29, 2024-01-31"):
        predict_month(date(2020, 1, 31))
    monkeypatch.setenv("MLFLOW_ARTIFACTS", str(tmp_path))
    with pytest.raises(ConfigurationError, match="MLFLOW_ARTIFACTS"):
        predict_month(MONTHS[1])
    assert sorted(folder.iterdir()) == before


def test_success_and_failure_reach_the_pushgateway(
    runs: list[Run], workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.predict_flow import predict_month

    with pushgateway(tmp_path) as url:
        monkeypatch.setenv("PUSHGATEWAY_URL", url)
        predict_month(MONTHS[2])
        with urlopen(f"{url}/metrics") as answer:
            assert re.search(r'driftgate_last_run_failed{.*flow="predict_month".*} 0', answer.read().decode())
        monkeypatch.setenv("MLFLOW_ARTIFACTS", str(tmp_path / "nowhere"))
        with pytest.raises(ConfigurationError):
            predict_month(MONTHS[2])
        with urlopen(f"{url}/metrics") as answer:
            assert re.search(r'driftgate_last_run_failed{.*flow="predict_month".*} 1', answer.read().decode())


def test_the_command_prints_the_line_and_nothing_else(
    runs: list[Run], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.cli.app import app

    app(args=["predict", "--as-of", "2024-02-29"], standalone_mode=False)
    printed = capsys.readouterr().out
    share = f"{runs[0][1].positive_share:.4f}"
    assert printed.startswith(f"[Predict] as_of=2024-02-29 rows=2000 positive_share={share} csv={folder}/2")
    assert printed.count("\n") == 1
    app(args=["predict", "--as-of", "2024-02-29", "--json"], standalone_mode=False)
    content = json.loads(capsys.readouterr().out)
    assert (content["rows"], content["positive_share"]) == (2000, pytest.approx(runs[0][1].positive_share))
    assert Path(content["csv"]).is_file()
