"""Every engine follows the same rules on the same rows: months, counts, samples, labels."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine as Database

from driftgate.errors import ConfigurationError, DataError, UnknownMonthError
from driftgate.features.description import ServiceDescription, ViewDescription
from driftgate.features.engines import Engine
from driftgate.features.entities import (
    MonthSize,
    digest_borders,
    entity_slices,
    key_digest,
    loaded_months,
    measure_month,
    month_entities,
)
from driftgate.features.expected import count_expected
from driftgate.features.files import read_file
from driftgate.features.labels import LABEL_COLUMN, read_labels
from driftgate.features.repository import OfflineStore
from driftgate.features.sources import Source
from driftgate.features.state import read_states
from driftgate.features.types import DeclaredFeature, Kind
from driftgate.measures import LabelKind
from driftgate.monitors import EntitySource, Label, Monitor
from tests.features.conftest import offline_on
from tests.features.engines.java import SPARK_CONF, require_java

JAN, FEB = date(2024, 1, 31), date(2024, 2, 29)

Place = Callable[[str, pa.Table, str], Source]


@dataclass
class Kept:
    """An engine, and the rows that a test gives it."""

    engine: Engine
    place: Place

    def keep(self, name: str, table: pa.Table, timestamp: str = "at") -> None:
        source = self.place(name, table, timestamp)
        before = self.engine.describe
        self.engine.describe = lambda wanted: source if wanted == name else before(wanted)  # type: ignore[method-assign]


@contextmanager
def _postgres(database: Database, _folder: Path) -> Iterator[Kept]:
    kinds = {pa.string(): "text", pa.date32(): "date", pa.timestamp("us"): "timestamp", pa.int64(): "bigint"}
    kinds |= {pa.timestamp("us", "UTC"): "timestamptz", pa.bool_(): "boolean", pa.float64(): "double precision"}

    def place(name: str, table: pa.Table, timestamp: str) -> Source:
        columns = ", ".join(f'"{field.name}" {kinds.get(field.type, "numeric")}' for field in table.schema)
        with database.begin() as connection:
            connection.exec_driver_sql(f'CREATE TABLE "{name}" ({columns})')
            marks = ", ".join(["%s"] * table.num_columns)
            rows = [tuple(row.values()) for row in table.to_pylist()]
            connection.exec_driver_sql(f'INSERT INTO "{name}" VALUES ({marks})', rows)
        return Source(name, sql=f'"{name}"', timestamp=timestamp)

    with offline_on(database) as engine:
        yield Kept(engine, place)


@contextmanager
def _duckdb(_database: Database, folder: Path) -> Iterator[Kept]:
    from driftgate.features.engines.duckdb import open_engine

    def place(name: str, table: pa.Table, timestamp: str) -> Source:
        pq.write_table(table, folder / f"{name}.parquet")
        # As a FileSource says it: relative to the repository.
        return Source(name, path=f"{name}.parquet", timestamp=timestamp)

    with open_engine(OfflineStore(folder, "duckdb", {})) as engine:
        yield Kept(engine, place)


@contextmanager
def _spark(_database: Database, folder: Path) -> Iterator[Kept]:
    require_java()
    from driftgate.features.engines.spark import open_engine

    def place(name: str, table: pa.Table, timestamp: str) -> Source:
        pq.write_table(table, folder / f"{name}.parquet")
        return Source(name, path=str(folder / f"{name}.parquet"), timestamp=timestamp)

    with open_engine(OfflineStore(folder, "spark", {"spark_conf": SPARK_CONF})) as engine:
        yield Kept(engine, place)


@pytest.fixture(params=[_postgres, _duckdb, _spark], ids=["postgres", "duckdb", "spark"])
def kept(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Kept]:
    with request.param(database, tmp_path) as found:
        yield found


def monitor(**other: Any) -> Monitor:
    entity = EntitySource(source="things", key="id", join_key="thing")
    return Monitor(name="m", entity=entity, feature_service="s", **other)


def things(ids: list[Any], at: list[Any], kind: pa.DataType | None = None) -> pa.Table:
    return pa.table({"id": pa.array(ids), "at": pa.array(at, kind)})


LAST = datetime(2024, 1, 31, 23, 59, 59, 999999, UTC)
LEAP = datetime(2024, 2, 29, tzinfo=UTC)
MOMENTS = {
    "date": (pa.date32(), [JAN, FEB, None]),
    "timestamp": (pa.timestamp("us"), [LAST.replace(tzinfo=None), LEAP.replace(tzinfo=None), None]),
    "with zone": (pa.timestamp("us", "UTC"), [LAST, LEAP, None]),
}


@pytest.mark.parametrize("kind", MOMENTS)
def test_months_by_type_of_the_timestamp(kept: Kept, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    type_, (jan, feb, none) = MOMENTS[kind]
    kept.keep("things", things(["a", "b", "a", "c"], [jan, jan, feb, none], type_))
    assert loaded_months(kept.engine, monitor()) == [JAN, FEB]
    assert measure_month(kept.engine, monitor(), JAN) == MonthSize(JAN, 2, 2)
    rows = kept.engine.arrow(month_entities(kept.engine, monitor(), MonthSize(FEB, 1, 1))).to_pylist()
    assert rows == [{"thing": "a", "event_timestamp": datetime(2024, 2, 29, tzinfo=UTC)}]


@pytest.mark.parametrize(
    ("ids", "error", "words"),
    [
        ([None, "a"], DataError, "2 rows for 2024-01-31: 1 without id, 0 repeating one"),
        (["a", "a", "a"], DataError, "0 without id, 2 repeating one"),
    ],
)
def test_a_month_whose_rows_cannot_be_told_apart(
    kept: Kept, ids: list[Any], error: type[Exception], words: str
) -> None:
    kept.keep("things", things(ids, [JAN] * len(ids)))
    with pytest.raises(error, match=words):
        measure_month(kept.engine, monitor(), JAN)
    with pytest.raises(UnknownMonthError, match="no rows in things"):
        measure_month(kept.engine, monitor(), FEB)


DAYS = [date(2024, 1, 1) + timedelta(days=n % 12) for n in range(24)]
GROUPS = {
    "text": (pa.string(), [f"Tag {day.day}" for day in DAYS], [f"Tag {day.day}" for day in DAYS]),
    "integer": (pa.int64(), [day.day for day in DAYS], [str(day.day) for day in DAYS]),
    "date": (pa.date32(), DAYS, [str(day) for day in DAYS]),
    "timestamp": (
        pa.timestamp("us"),
        [datetime.combine(day, time(n % 24)) for n, day in enumerate(DAYS)],
        [str(day) for day in DAYS],
    ),
}


def grouped(**other: Any) -> Monitor:
    entity = EntitySource(source="things", key="id", join_key="thing", group="day")
    return Monitor(name="m", entity=entity, feature_service="s", **other)


@pytest.mark.parametrize("kind", GROUPS)
def test_every_engine_says_the_same_group_of_an_entity(kept: Kept, kind: str) -> None:
    type_, values, texts = GROUPS[kind]
    table = things([f"u{n}" for n in range(24)], [JAN] * 24).append_column("day", pa.array(values, type_))
    kept.keep("things", table)
    size = measure_month(kept.engine, grouped(), JAN)
    assert size == MonthSize(JAN, 24, 24)
    rows = kept.engine.arrow(month_entities(kept.engine, grouped(), size)).to_pylist()
    assert {row["thing"]: row["__group__"] for row in rows} == {f"u{n}": text for n, text in enumerate(texts)}
    assert len({row["__group__"] for row in rows}) == 12


@pytest.mark.parametrize(
    ("days", "error", "words"),
    [
        ([f"d{n % 9}" for n in range(24)], DataError, "9 groups by day"),
        ([None, *(f"d{n}" for n in range(23))], DataError, "1 rows for 2024-01-31 without day"),
        ([n / 2 for n in range(24)], ConfigurationError, "the group of the entities, is of type"),
    ],
    ids=["few", "none", "of another type"],
)
def test_groups_that_say_too_little_are_refused(
    kept: Kept, days: list[Any], error: type[Exception], words: str
) -> None:
    kept.keep("things", things([f"u{n}" for n in range(24)], [JAN] * 24).append_column("day", pa.array(days)))
    with pytest.raises(error, match=words):
        measure_month(kept.engine, grouped(), JAN)


@pytest.mark.parametrize("key", [lambda n: f"Kündin {n}", lambda n: n], ids=["text", "integer"])
def test_every_engine_draws_the_same_sample(kept: Kept, key: Callable[[int], Any]) -> None:
    ids = [key(n) for n in range(3000)]
    kept.keep("things", things(ids + ids[::-1], [JAN] * 3000 + [FEB] * 3000))
    monitored = monitor(max_report_rows=1000, sample_seed=7)
    drawn = []
    for month in (JAN, FEB):
        size = measure_month(kept.engine, monitored, month)
        assert (size.entities, size.compared) == (3000, 1000)
        drawn.append(kept.engine.arrow(month_entities(kept.engine, monitored, size)).column("thing").to_pylist())
    assert drawn[0] == drawn[1]
    # By Python's own MD5, so that one engine cannot differ from another.
    from hashlib import md5

    assert set(drawn[0]) == set(sorted(ids, key=lambda item: md5(f"7:{item}".encode()).hexdigest())[:1000])


def test_every_engine_cuts_a_large_month_into_the_same_slices(kept: Kept) -> None:
    ids = [f"Kündin {n}" for n in range(2500)]
    kept.keep("things", things(ids, [JAN] * 2500))
    monitored = monitor(max_report_rows=1000, sample_seed=7)
    size = measure_month(kept.engine, monitored, JAN)
    slices = [
        kept.engine.arrow(part).column("thing").to_pylist()
        for part in entity_slices(kept.engine, monitored, size, 1000)
    ]
    in_order = sorted(ids, key=lambda item: key_digest(item, 7))
    assert [sorted(part) for part in slices] == [
        sorted(in_order[:1000]),
        sorted(in_order[1000:2000]),
        sorted(in_order[2000:]),
    ]
    assert digest_borders(kept.engine, monitored, size, 1000) == [key_digest(in_order[n], 7) for n in (999, 1999)]
    (whole,) = entity_slices(kept.engine, monitored, size, None)
    assert kept.engine.arrow(whole).num_rows == 2500


def test_every_engine_sees_a_change_of_a_value(kept: Kept) -> None:
    """The order of the rows is none."""
    ids, at = ["a", "b", "c", "d"], [JAN] * 4
    values = {
        "n": [1, 2, None, 4],
        "x": [0.5, None, -0.0, 1e300],
        "t": ["", None, "ü", "d"],
        "b": [True, False, None, True],
    }
    service = ServiceDescription(
        tuple(DeclaredFeature(name, "view", "INT64", Kind.NUMERIC) for name in (*values, "gone")),
        False,
        (ViewDescription("view", ("id",), timedelta(days=27), Source("none")),),
    )
    kept.keep("things", things(ids, at))
    found = []
    for number, (column, place, value) in enumerate(
        [("n", 0, 1), ("n", 0, 9), ("x", 1, 0.0), ("t", 0, None), ("b", 3, False), (None, None, None)]
    ):
        changed = {name: list(items) for name, items in values.items()}
        if column is not None:
            changed[column][place] = value
        table = pa.table({"id": ids, "at": at, **changed})
        kept.keep(f"rows{number}", table if column is not None else table.take([3, 1, 0, 2]))
        source = kept.engine.describe(f"rows{number}")
        view = ViewDescription("view", ("id",), timedelta(days=27), source)
        described = replace(service, views=(view,))
        state = read_states(kept.engine, described, monitor(), [JAN])[JAN]
        assert state.absent == ("gone",) and state.measured_from.views["view"].rows == 4
        found.append(state.measured_from.views["view"])
    assert found[0] == found[-1]
    assert len({state.content for state in found[:-1]}) == len(found) - 1
    assert {(state.newest_event, state.newest_created) for state in found} == {
        (datetime(2024, 1, 31, tzinfo=UTC), None)
    }


@pytest.mark.parametrize(
    ("values", "kind", "mean", "label_kind"),
    [
        ([True, False, True, None], pa.bool_(), 2 / 3, LabelKind.BOOLEAN),
        ([1, 0, 1, None], pa.int64(), 2 / 3, LabelKind.BOOLEAN),
        ([1, 2, 6, None], pa.int64(), 3.0, LabelKind.NUMERIC),
        ([0.5, 1.0, 1.5, None], pa.float64(), 1.0, LabelKind.NUMERIC),
        ([Decimal("0.50"), Decimal("1.25"), Decimal("2.00"), None], pa.decimal128(9, 2), 1.25, LabelKind.NUMERIC),
        (["late", "early", "late", None], pa.string(), math.nan, LabelKind.CATEGORICAL),
    ],
    ids=["boolean", "zero and one", "integer", "float", "decimal", "classes"],
)
def test_labels_of_the_period(
    kept: Kept, tmp_path: Path, values: list[Any], kind: pa.DataType, mean: float, label_kind: LabelKind
) -> None:
    kept.keep("things", things(["a", "b", "c", "d"] * 2, [JAN] * 4 + [FEB] * 4))
    # A stranger, and another period.
    ids, period = ["a", "b", "c", "d", "stranger", "d"], [JAN] * 5 + [FEB]
    answers = pa.table({"id": ids, "at": period, "y": pa.array([*values, values[0], values[0]], kind)})
    kept.keep("answers", answers)
    monitored = monitor(label=Label(source="answers", column="y"), min_rows=2, min_label_share=0.5)
    found = read_labels(kept.engine, monitored, measure_month(kept.engine, monitored, JAN), tmp_path / "labels.arrow")
    assert (found.entities, found.labelled, found.kind) == (4, 3, label_kind)
    assert found.mean == pytest.approx(mean, abs=1e-15, nan_ok=True)
    assert found.constant == ""
    assert found.class_counts == ((("early", 1), ("late", 2)) if label_kind is LabelKind.CATEGORICAL else ())
    assert found.path is not None
    rows = {row["thing"]: row[LABEL_COLUMN] for row in read_file(found.path).to_pylist()}
    assert rows == dict(zip("abc", values[:3], strict=True))


def test_labels_that_cannot_be_used(kept: Kept, tmp_path: Path) -> None:
    kept.keep("things", things(["a", "b"], [JAN] * 2))
    kept.keep("answers", pa.table({"id": ["a", "a"], "at": [JAN] * 2, "y": [1.0, 2.0], "word": ["x", "y"]}))
    kept.keep("numbered", pa.table({"id": [1, 2], "at": [JAN] * 2, "y": [1.0, float("nan")]}))
    size = MonthSize(JAN, 2, 2)

    def ask(source: str, column: str = "y", key: str = "id") -> None:
        label = Label(source=source, column=column, key=key)
        read_labels(kept.engine, monitor(label=label), size, tmp_path / "labels.arrow")

    with pytest.raises(DataError, match="1 entities have more than one label"):
        ask("answers")
    with pytest.raises(ConfigurationError, match=r"answers.at is of type"):
        ask("answers", "at")
    with pytest.raises(ConfigurationError, match="no column 'maybe'"):
        ask("answers", "maybe")
    with pytest.raises(ConfigurationError, match="the keys of things are of type"):
        ask("numbered")


CONDITIONS = {
    "flown": 2,
    "flown == false": 1,
    "flown != false": 2,
    "flown is null": 1,
    "distance > 0": 2,
    "distance >= 1.5": 2,
    "distance < 1.5": 1,
    "distance is null": 1,
    "distance is not null": 3,
    "seats == 3": 1,
    "seats != 3": 2,
    "status != 'cancelled'": 2,
    "status == 'it''s off'": 1,
    "status is null": 1,
}


def test_every_engine_counts_by_the_same_condition(kept: Kept) -> None:
    rows = {
        "id": ["a", "b", "c", "d", "e"],
        "at": [JAN, JAN, JAN, JAN, FEB],
        "flown": [True, True, False, None, True],
        # NaN is a value, and greater than any other.
        "distance": pa.array([1.5, float("nan"), -0.5, None, 9.0], from_pandas=False),
        "seats": [1, 2, 3, None, 1],
        "status": ["landed", "it's off", "cancelled", None, "landed"],
    }
    kept.keep("things", pa.table(rows))
    found = {text: count_expected(kept.engine, monitor(), text, JAN) for text in CONDITIONS}
    assert found == CONDITIONS


@pytest.mark.parametrize("kind", MOMENTS)
def test_every_engine_learns_the_same_share(
    kept: Kept, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    type_, (moment, _, _) = MOMENTS[kind]
    months = [moment - timedelta(days=days) for days in (124, 93, 62, 31, 0)]
    keys = [f"u{n}" for n in range(10)]
    kept.keep("things", things(keys * 5, [month for month in months for _ in keys], type_))
    # Of the last month before this one only two are there yet.
    labelled = [(key, month) for month, count in zip(months, (8, 6, 7, 2, 5), strict=True) for key in keys[:count]]
    at = pa.array([month for _, month in labelled], type_)
    kept.keep("answers", pa.table({"id": [key for key, _ in labelled], "at": at, "y": [True, *[False] * 27]}))
    monitored = monitor(label=Label(source="answers", column="y", expected="learnt"), min_rows=2)
    found = read_labels(kept.engine, monitored, measure_month(kept.engine, monitored, JAN), tmp_path / "labels.arrow")
    assert (found.expected, found.labelled, found.reason) == (7, 5, "pending, 71% labelled")


def test_a_label_that_is_no_number_is_refused(kept: Kept, tmp_path: Path) -> None:
    kept.keep("things", things(["a", "b"], [JAN] * 2))
    kept.keep("answers", pa.table({"id": ["a", "b"], "at": [JAN] * 2, "y": [1.0, float("nan")]}))
    monitored = monitor(label=Label(source="answers", column="y"))
    with pytest.raises(DataError, match="NaN or infinity"):
        read_labels(kept.engine, monitored, MonthSize(JAN, 2, 2), tmp_path / "labels.arrow")


def test_a_column_that_is_not_there_names_those_there_are(kept: Kept) -> None:
    kept.keep("things", pa.table({"key": ["a"], "at": [JAN]}))
    with pytest.raises(ConfigurationError, match="no column 'id'") as caught:
        loaded_months(kept.engine, monitor())
    assert "key, at" in caught.value.allowed


def test_a_source_whose_rows_are_gone_is_a_matter_of_configuration(kept: Kept) -> None:
    gone = Source("gone", path="gone.parquet") if kept.engine.kind == "duckdb" else Source("gone", sql="gone")
    with pytest.raises(ConfigurationError, match="gone"):
        kept.engine.source_rows(gone)


def test_columns_are_called_as_feast_calls_them(kept: Kept) -> None:
    source = kept.place("renamed", pa.table({"Thing Id": ["a"], "When": [JAN]}), "When")
    rows = kept.engine.source_rows(
        Source("r", sql=source.sql, path=source.path, timestamp="When", mapping=(("Thing Id", "id"), ("When", "at")))
    )
    assert set(rows.table.columns) == {"id", "at"} and rows.timestamp == "at"
