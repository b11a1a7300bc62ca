"""A batch's file, rows and summary, each safe to repeat."""

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from driftgate.database import create_tables
from driftgate.errors import DatabaseError, OutputError
from driftgate.measures import LabelKind
from driftgate.monitors import EntitySource, Monitor
from driftgate.predictions import batch as batches
from driftgate.predictions.batch import Batch, batch_path, save_batch, save_batch_summary, summarise, write_batch_csv
from driftgate.training.scoring import score_columns

TIME = datetime(2024, 3, 1, 5, 6, 7, tzinfo=UTC)
MONITOR = Monitor(
    name="churn",
    entity=EntitySource(table="t", key="k", timestamp="d"),
    feature_service="s",
    report_folder=".",
)
AWKWARD = ["plain", 'with "quotes", commas', "two\nlines", "\\.", "NULL", "", "ünïcödé", " spaces ", "=1+1"]

Make = Callable[..., Batch]


def scores_file(path: Path, keys: list[str], scores: list[float]) -> Path:
    table = pa.table({"key": pa.array(keys, pa.string()), "score": pa.array(scores, pa.float64())})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A batch of users whose names are hard on formats; what is given differs."""

    def build(keys: list[str] = AWKWARD, scores: list[float] | None = None, **other: Any) -> Batch:
        found = np.linspace(0, 1, len(keys)).tolist() if scores is None else scores
        path = scores_file(tmp_path / "scores.arrow", keys, found)
        moment = other.get("time", TIME)
        batch = Batch(
            monitor="churn",
            key="user_id",
            as_of=date(2024, 2, 29),
            model_version="3",
            time=moment,
            scores=path,
            rows=len(keys),
            path=batch_path(tmp_path / "predictions", MONITOR, moment),
        )
        return replace(batch, **other)

    return build


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_the_file_is_named_for_its_second_and_latest_is_the_same(make: Make) -> None:
    batch = make()
    write_batch_csv(batch)
    assert batch.path.name == "20240301-050607.csv"
    assert sorted(path.name for path in batch.path.parent.iterdir()) == ["20240301-050607.csv", "latest.csv"]
    assert batch.path.read_bytes() == batch.path.with_name("latest.csv").read_bytes()
    rows = read_csv(batch.path)
    assert list(rows[0]) == ["user_id", "prediction", "probability", "predictions_time", "model_version"]
    assert [row["user_id"] for row in rows] == AWKWARD
    other = make(key="shop", time=TIME + timedelta(seconds=1))
    write_batch_csv(other)
    assert [row["shop"] for row in read_csv(other.path)] == AWKWARD
    assert [float(row["probability"]) for row in rows] == np.linspace(0, 1, 9).tolist()
    assert [row["prediction"] for row in rows] == ["0"] * 4 + ["1"] * 5
    assert {(row["predictions_time"], row["model_version"]) for row in rows} == {("2024-03-01T05:06:07+00:00", "3")}


def test_nobody_else_reads_who_was_scored(make: Make) -> None:
    batch = make()
    write_batch_csv(batch)
    assert {path.stat().st_mode & 0o077 for path in (batch.path.parent, *batch.path.parent.iterdir())} == {0}


def test_a_retry_writes_the_same_file_and_another_batch_does_not_replace_it(make: Make) -> None:
    write_batch_csv(make())
    write_batch_csv(make())
    before = make().path.read_bytes()
    with pytest.raises(OutputError, match="is another batch"):
        write_batch_csv(make(model_version="4"))
    assert make().path.read_bytes() == before == make().path.with_name("latest.csv").read_bytes()
    later = make(model_version="4", time=TIME + timedelta(seconds=1))
    write_batch_csv(later)
    assert later.path.read_bytes() == later.path.with_name("latest.csv").read_bytes() != before


def test_another_monitor_has_a_folder_of_its_own(tmp_path: Path) -> None:
    other = MONITOR.model_copy(update={"name": "orders", "report_folder": None})
    assert batch_path(tmp_path, other, TIME) == tmp_path / "orders" / "20240301-050607.csv"


def test_a_folder_that_cannot_be_written_is_named_with_its_setting(make: Make, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    batch = make(path=blocked / "predictions.csv")
    for write in (write_batch_csv, lambda batch: batches.require_prediction_folder(batch.path)):
        with pytest.raises(OutputError, match="PREDICTION_DIR"):
            write(batch)


def test_rows_and_summary_are_written_once(database: Engine, make: Make) -> None:
    create_tables(database)
    batch = make(threshold=0.25)
    for _ in range(2):
        save_batch(database, batch)
        summary = save_batch_summary(database, batch)
    save_batch(database, make(time=TIME + timedelta(seconds=1)))
    with database.connect() as connection:
        rows = connection.execute(text("SELECT * FROM predictions WHERE time = :time"), {"time": TIME}).mappings().all()
        assert connection.execute(text("SELECT count(*) FROM predictions")).scalar_one() == 2 * len(AWKWARD)
        (kept,) = connection.execute(text("SELECT * FROM prediction_monitoring")).mappings()
    assert {row["entity_key"]: row["probability"] for row in rows} == dict(
        zip(AWKWARD, np.linspace(0, 1, 9).tolist(), strict=True)
    )
    assert {(row["source"], row["model_version"], row["as_of"], row["time"]) for row in rows} == {
        ("batch", "3", date(2024, 2, 29), TIME)
    }
    assert all(row["prediction"] == (row["probability"] >= 0.25) for row in rows)
    assert {(row["request_id"], row["features"]) for row in rows} == {(None, None)}
    assert dict(kept) == vars(summary)
    assert (kept["count"], kept["mean"], kept["p50"], kept["positive_share"]) == (9, 0.5, 0.5, 7 / 9)
    assert (kept["p05"], kept["p95"]) == pytest.approx((0.05, 0.95))


def test_more_rows_than_one_part_are_all_written(database: Engine, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_PART_ROWS", 4)
    create_tables(database)
    for count in (0, 1, 3, 4, 5, 8, 9):
        batch = make(keys=[f"U{number}" for number in range(count)], time=TIME + timedelta(hours=count))
        save_batch(database, batch)
        with database.connect() as connection:
            found = connection.execute(
                text("SELECT entity_key FROM predictions WHERE time = :time"), {"time": batch.time}
            ).scalars()
            assert sorted(found) == [f"U{number}" for number in range(count)]


def test_a_batch_is_written_whole_or_not_at_all(database: Engine, make: Make) -> None:
    create_tables(database)
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE predictions ADD CHECK (entity_key <> 'ünïcödé')"))
    with pytest.raises(DatabaseError, match="saving predictions"):
        save_batch(database, make())
    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM predictions")).scalar_one() == 0


def test_a_table_that_is_not_there_is_an_error(database: Engine, make: Make) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        save_batch(database, make())
    with pytest.raises(DatabaseError, match="does not exist"):
        save_batch_summary(database, make())


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0, 1))
def test_a_summary_lies_within_its_scores(
    tmp_path_factory: pytest.TempPathFactory, scores: list[float], threshold: float
) -> None:
    path = scores_file(tmp_path_factory.getbasetemp() / "summary.arrow", [str(at) for at in range(len(scores))], scores)
    batch = Batch("churn", "user_id", date(2024, 2, 29), "3", TIME, path, len(scores), path, threshold=threshold)
    summary = summarise(batch)
    assert summary.count == len(scores)
    assert min(scores) <= summary.p05 <= summary.p50 <= summary.p95 <= max(scores)
    assert min(scores) - 1e-12 <= summary.mean <= max(scores) + 1e-12
    assert summary.positive_share == sum(score >= threshold for score in scores) / len(scores)
    assert f"| threshold | {threshold:.4f} |" in batches.batch_markdown(batch, summary)


def test_numbers_have_no_probability(database: Engine, make: Make) -> None:
    create_tables(database)
    values = np.linspace(-4.5, 1e300, len(AWKWARD)).tolist()
    batch = make(scores=values, kind=LabelKind.NUMERIC)
    write_batch_csv(batch)
    assert [(float(row["prediction"]), row["probability"]) for row in read_csv(batch.path)] == [
        (value, "") for value in values
    ]
    save_batch(database, batch)
    summary = save_batch_summary(database, batch)
    assert summary.positive_share is None and summary.mean == pytest.approx(np.mean(values))
    assert batches.batch_line(batch, summary).startswith("[Predict] as_of=2024-02-29 rows=9 mean=5e+299 csv=")
    assert "| prediction | |" in batches.batch_markdown(batch, summary)
    with database.connect() as connection:
        query = "SELECT entity_key, predicted_value, prediction, probability, predicted_class FROM predictions"
        rows = connection.execute(text(query)).all()
    assert sorted(rows) == sorted((key, value, None, None, None) for key, value in zip(AWKWARD, values, strict=True))


def test_classes_may_be_called_anything(database: Engine, make: Make, tmp_path: Path) -> None:
    create_tables(database)
    classes = tuple(sorted(AWKWARD))
    scores = np.eye(len(classes)) * 0.5 + 0.5 / len(classes)
    table = pa.table({"key": pa.array(AWKWARD, pa.string()), **score_columns(scores, classes)})
    with pa.OSFile(str(tmp_path / "classes.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    batch = make(kind=LabelKind.CATEGORICAL, scores=None)
    batch = replace(batch, scores=tmp_path / "classes.arrow")
    write_batch_csv(batch)
    assert [row["prediction"] for row in read_csv(batch.path)] == list(classes)
    save_batch(database, batch)
    summary = save_batch_summary(database, batch)
    assert "mean_probability=0.5556" in batches.batch_line(batch, summary)
    with database.connect() as connection:
        query = "SELECT entity_key, predicted_class, prediction, predicted_value FROM predictions"
        rows = connection.execute(text(query)).all()
    assert sorted(rows) == sorted((key, name, None, None) for key, name in zip(AWKWARD, classes, strict=True))
