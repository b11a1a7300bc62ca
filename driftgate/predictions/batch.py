"""A scored month. It is written to a CSV file, then to `predictions`, then as one row to `prediction_monitoring`."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import psycopg2
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from driftgate.database import database_errors
from driftgate.errors import DatabaseError, OutputError
from driftgate.files import require_writable, write_atomic
from driftgate.measures import LabelKind
from driftgate.monitors import Monitor
from driftgate.predictions.log import predicted, prediction_monitoring, predictions
from driftgate.training.model import Predictions, predictions_of
from driftgate.training.scoring import read_scores
from driftgate.training.threshold import EARLIER_THRESHOLD

if TYPE_CHECKING:
    import pyarrow as pa

LATEST = "latest.csv"

# Any constant serves. With it the ids of batches and rows follow from their content.
_IDS = UUID("6f1c6f0e-3f6c-4a39-8a51-0d8f4f5b0a11")
_PART_ROWS = 50_000
_REMEDY = "make the folder writable for this user, or set PREDICTION_DIR to one that is"


@dataclass(frozen=True)
class Batch:
    """One scored month.

    Attributes:
        key: the monitor's join key, which names the first column of the file.
        time: of the batch, in UTC and whole seconds; names the file.
        scores: Arrow IPC file, see `driftgate.training.scoring.score_month`.
        rows: of that file.
        path: the CSV file.
        kind: of the label.
        threshold: of the version: the probability from which a boolean label is predicted to be true.
    """

    monitor: str
    key: str
    as_of: date
    model_version: str
    time: datetime
    scores: Path
    rows: int
    path: Path
    kind: LabelKind = LabelKind.BOOLEAN
    threshold: float | None = EARLIER_THRESHOLD

    @property
    def batch_id(self) -> UUID:
        """An id made of monitor, month, version and time, so that a batch that is written twice is stored once."""
        return uuid5(_IDS, f"{self.monitor}:{self.as_of}:{self.model_version}:{self.time.isoformat()}")


@dataclass(frozen=True)
class BatchSummary:
    """A batch's row in `prediction_monitoring`; quantiles are interpolated linearly.

    Mean and quantiles are those of the probability, or of the numbers that were predicted; `positive_share` is None for
    a label that is not boolean.
    """

    batch_id: UUID
    time: datetime
    as_of: date
    model_version: str
    count: int
    mean: float
    p05: float
    p50: float
    p95: float
    positive_share: float | None


def batch_path(prediction_dir: Path, monitor: Monitor, time: datetime) -> Path:
    """Return the path of a batch's CSV file. The monitor's predictions have a folder like its reports."""
    folder = prediction_dir / (monitor.report_folder or monitor.name)
    return folder / f"{time.astimezone(UTC):%Y%m%d-%H%M%S}.csv"


def require_prediction_folder(path: Path) -> None:
    """Check that a batch's file can be written.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        require_writable(path.parent, private=True)
    except OutputError as error:
        raise OutputError(f"predictions cannot be written to {path.parent}", remedy=_REMEDY) from error


def write_batch_csv(batch: Batch) -> None:
    """Write the batch's file, and `latest.csv` with the same content beside it; each is written whole or not at all.

    They are private: they hold keys of entities.

    Columns: the join key, prediction (0 or 1, a number, or a class), probability (of 1, or of that class; empty for a
    number), predictions_time (ISO 8601, UTC), model_version.

    Raises:
        OutputError: the folder is not writable, or holds another batch of that second.
    """
    text = _csv_text(batch)
    try:
        another = batch.path.exists() and batch.path.read_bytes() != text.encode()
        if not another:
            write_atomic(batch.path, text, private=True)
            write_atomic(batch.path.with_name(LATEST), text, private=True)
    except OSError as error:
        raise OutputError(f"{batch.path} cannot be written: {error.strerror}", remedy=_REMEDY) from error
    except OutputError as error:
        raise OutputError(error.received, remedy=_REMEDY) from error
    if another:
        raise OutputError(f"{batch.path} is there already, and is another batch", remedy="run again")


def save_batch(engine: Engine, batch: Batch) -> None:
    """Write the batch's rows to `predictions` in one transaction; existing rows stay as they are.

    Raises:
        DatabaseError: nothing was written; the tables must be there, see `create_tables`.
    """
    names = [column.name for column in predictions.columns if column.name not in ("request_id", "features")]
    listed = ", ".join(names)
    with database_errors("saving predictions"), engine.begin() as connection:
        # COPY has no ON CONFLICT, so the rows go through a temporary table of this transaction.
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE batch_rows ON COMMIT DROP AS SELECT {listed} FROM predictions WHERE false"  # noqa: S608
        )
        taken = sum(_copy(connection, "batch_rows", part, _empty(batch.kind)) for part in _parts(batch))
        if taken != batch.rows:
            raise DatabaseError(f"COPY took {taken} of {batch.rows} predictions", remedy="run again")
        connection.exec_driver_sql(
            f"INSERT INTO predictions ({listed}) SELECT {listed} FROM batch_rows ON CONFLICT DO NOTHING"  # noqa: S608
        )


def save_batch_summary(engine: Engine, batch: Batch) -> BatchSummary:
    """Write the batch's row to `prediction_monitoring`: it means that file and rows exist. Repeated calls are safe.

    Raises:
        DatabaseError: nothing was written.
    """
    summary = summarise(batch)
    statement = insert(prediction_monitoring).on_conflict_do_nothing(index_elements=["batch_id"])
    with database_errors("saving the summary of the predictions"), engine.begin() as connection:
        connection.execute(statement, [vars(summary)])
    return summary


def summarise(batch: Batch) -> BatchSummary:
    """Return count, mean, quantiles and positive share of a batch's scores."""
    import numpy as np

    found = _predicted(batch, _scores(batch))
    scores = np.array(found.values if found.probabilities is None else found.probabilities, dtype=np.float64)
    low, middle, high = (float(value) for value in np.quantile(scores, [0.05, 0.5, 0.95]))
    return BatchSummary(
        batch_id=batch.batch_id,
        time=batch.time,
        as_of=batch.as_of,
        model_version=batch.model_version,
        count=len(scores),
        mean=float(scores.mean()),
        p05=low,
        p50=middle,
        p95=high,
        positive_share=float((np.array(found.values) == 1).mean()) if batch.kind is LabelKind.BOOLEAN else None,
    )


def batch_line(batch: Batch, summary: BatchSummary) -> str:
    """Return the line `[Predict] ...`: the month, how many were scored, how many are positive, and the file.

    In place of the positive share stands the mean of a numeric label, and the mean probability of predicted classes.
    """
    if summary.positive_share is not None:
        level = f"positive_share={summary.positive_share:.4f}"
    elif batch.kind is LabelKind.NUMERIC:
        level = f"mean={summary.mean:.6g}"
    else:
        level = f"mean_probability={summary.mean:.4f}"
    return f"[Predict] as_of={batch.as_of} rows={summary.count} {level} csv={batch.path}"


def batch_markdown(batch: Batch, summary: BatchSummary) -> str:
    """Return a Markdown page with the distribution of the scores."""
    names = ("positive_share", "mean", "p05", "p50", "p95")
    shown = {name: getattr(summary, name) for name in names if getattr(summary, name) is not None}
    if summary.positive_share is not None:
        shown = {"threshold": batch.threshold, **shown}
    number = batch.kind is LabelKind.NUMERIC
    lines = [
        f"# {summary.count:,} entities scored",
        "",
        f"**{batch.monitor}**, {batch.as_of}, model version {batch.model_version}: `{batch.path}`",
        "",
        f"| {'prediction' if number else 'probability'} | |",
        "|---|---|",
        *(f"| {name} | {value:{',.6g' if number else '.4f'}} |" for name, value in shown.items()),
    ]
    return "\n".join(lines)


def _scores(batch: Batch) -> "pa.Table":
    from driftgate.features.files import read_file

    return read_file(batch.scores)


def _predicted(batch: Batch, table: "pa.Table") -> Predictions:
    if batch.kind is LabelKind.CATEGORICAL:
        return Predictions(table.column("class").to_pylist(), read_scores(table).max(axis=1).tolist())
    return predictions_of(batch.kind, read_scores(table), batch.threshold)


def _scored(batch: Batch) -> Iterator[tuple[str, float | str, float | None]]:
    """Yield entity, prediction and probability of each row; the file is read in parts."""
    table = _scores(batch)
    for start in range(0, table.num_rows, _PART_ROWS):
        part = table.slice(start, _PART_ROWS)
        found = _predicted(batch, part)
        probabilities: list[float] | list[None] = found.probabilities or [None] * part.num_rows
        yield from zip(part.column("key").to_pylist(), found.values, probabilities, strict=True)


def _csv_text(batch: Batch) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((batch.key, "prediction", "probability", "predictions_time", "model_version"))
    time = batch.time.isoformat()
    writer.writerows(
        (entity, _exact(value), _exact(probability), time, batch.model_version)
        for entity, value, probability in _scored(batch)
    )
    return text.getvalue()


def _parts(batch: Batch) -> Iterator[io.StringIO]:
    """Yield the batch as CSV for COPY in parts, in the order of the table's columns."""
    part = io.StringIO()
    # Every value is quoted, so that PostgreSQL takes no text as the end of the data.
    writer = csv.writer(part, lineterminator="\n", quoting=csv.QUOTE_ALL)
    batch_id, time = batch.batch_id, batch.time.isoformat()
    for rows, (entity, value, probability) in enumerate(_scored(batch), start=1):
        row_id = uuid5(batch_id, entity)
        found = {name: _exact(each) for name, each in predicted(batch.kind, value, probability).items()}
        score = found["prediction"], found["probability"]
        others = found["predicted_value"], found["predicted_class"]
        writer.writerow((row_id, time, "batch", entity, *score, batch.model_version, batch.as_of, *others))
        if rows % _PART_ROWS == 0:
            part.seek(0)
            yield part
            part.seek(0)
            part.truncate()
    part.seek(0)
    yield part


def _exact(value: float | str | None) -> str:
    """A value as CSV holds it without loss; nothing for None."""
    return "" if value is None else value if isinstance(value, str) else repr(value)


def _empty(kind: LabelKind) -> list[str]:
    """The columns in which nothing stands for NULL; a class may be an empty text."""
    return [name for name, value in predicted(kind, "", None).items() if value is None]


def _copy(connection: Connection, table: str, part: io.StringIO, empty: Sequence[str]) -> int:
    """Send CSV rows inside the transaction of the connection; return how many were inserted."""
    with closing(connection.connection.cursor()) as cursor:
        try:
            cursor.copy_expert(f"COPY {table} FROM STDIN WITH (FORMAT csv, FORCE_NULL ({', '.join(empty)}))", part)
        except psycopg2.Error as error:
            raise DBAPIError.instance(f"COPY {table}", None, error, psycopg2.Error) from error
        return int(cursor.rowcount)
