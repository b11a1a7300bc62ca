"""A repository of files: the same answers and refusals as one on PostgreSQL, see `test_feast_adapter`."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftgate.database import ConnectionParameters, connect
from driftgate.errors import ConfigurationError, DataError, FeastRepositoryError
from driftgate.features.applying import ensure_applied
from driftgate.features.engines import duckdb as duckdb_engine
from driftgate.features.entities import MonthSize
from driftgate.features.files import read_file
from driftgate.features.repository import OfflineStore
from driftgate.features.types import FeatureMonth, FeatureRequest
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import EntitySource, Monitor
from tests.conftest import new_database

JAN, FEB = date(2024, 1, 31), date(2024, 2, 29)

STORE = """
project: files
provider: local
registry: data/registry.db
offline_store: {type: file}
entity_key_serialization_version: 3
"""

DEFINITIONS = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Bool, Float64, Int64, String

thing = Entity(name="thing", join_keys=["thing_id"], value_type=ValueType.STRING)
things = FileSource(name="things", path="data/things.parquet", timestamp_field="as_of")

def view(name, life=timedelta(days=10), mapping=None, created=None, **features):
    source = FileSource(
        name=name, path=f"data/{name}.parquet", timestamp_field="taken_at", field_mapping=mapping or {},
        created_timestamp_column=created or "",
    )
    return FeatureView(
        name=f"{name}_fv", entities=[thing], ttl=life, source=source, online=False,
        schema=[Field(name=feature, dtype=dtype) for feature, dtype in features.items()],
    )

readings = view("readings", celsius=Float64, flag=Bool, word=String, price=Float64)
loses = view("loses", stays=Int64, goes=Int64)
gone = view("gone", n=Int64)
twice = view("twice", n=Int64)
corrected = view("corrected", created="written_at", n=Int64)
old = view("old", timedelta(0), n=Int64)
renamed = view("renamed", mapping={"Thing Id": "thing_id", "value": "amount"}, amount=Float64)
for one in (readings, loses, gone, twice, corrected, old, renamed):
    globals()[f"{one.name}_service"] = FeatureService(name=one.name.removesuffix("_fv"), features=[one])
"""

NOON = datetime(2024, 2, 28, 12)  # noqa: DTZ001


def files(folder: Path) -> None:
    ids = ["t1", "t2", "t3"]
    # As pandas writes them: nanoseconds, in a time zone.
    moments = pd.to_datetime(["2024-02-28 23:59:59", "2024-02-29 00:00:00", "2024-02-29 00:00:01"], utc=True)
    assert str(moments.dtype) == "datetime64[ns, UTC]"
    readings = pd.DataFrame({"thing_id": ids, "taken_at": moments, "celsius": [1.0, 2.0, 3.0]})
    readings["flag"], readings["word"] = [None, True, False], ["ä", None, "c"]
    price = pa.array([None, "1.25", "2.5"]).cast(pa.decimal128(9, 2))
    tables = {
        "things": pa.table({"thing_id": ids * 2, "as_of": [JAN] * 3 + [FEB] * 3}),
        "readings": pa.Table.from_pandas(readings, preserve_index=False).append_column("price", price),
        "loses": pa.table({"thing_id": ids, "taken_at": [NOON] * 3, "stays": [1, 2, 3]}),
        "gone": pa.table({"thing_id": ids, "taken_at": [NOON] * 3, "n": [1, 2, 3]}),
        "twice": pa.table({"thing_id": [*ids, "t1"], "taken_at": [NOON] * 4, "n": [1, 2, 3, 4]}),
        "corrected": pa.table(
            {
                "thing_id": [*ids, "t1"],
                "taken_at": [NOON] * 4,
                "written_at": [NOON.replace(hour=n) for n in (1, 1, 1, 2)],
                "n": [1, 2, 3, 4],
            }
        ),
        "old": pa.table({"thing_id": ids, "taken_at": [NOON.replace(month=1)] * 3, "n": [1, 2, 3]}),
        "renamed": pa.table({"Thing Id": ids, "taken_at": [NOON] * 3, "value": [0.5, 1.5, 2.5]}),
    }
    (folder / "data").mkdir()
    for name, table in tables.items():
        pq.write_table(table, folder / "data" / f"{name}.parquet")


@pytest.fixture(scope="module")
def worker(_loaded_template: ConnectionParameters) -> Iterator[FeatureWorker]:
    with FeatureWorker(_loaded_template) as opened:
        yield opened


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory, server: ConnectionParameters) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "feature_store.yaml").write_text(STORE)
    (folder / "definitions.py").write_text(DEFINITIONS)
    files(folder)
    with new_database(server) as parameters:
        engine = connect(parameters)
        ensure_applied(engine, parameters, folder)
        engine.dispose()
    (folder / "data" / "gone.parquet").unlink()
    return folder


MONITOR = Monitor(name="m", entity=EntitySource(source="things", key="thing_id"), feature_service="readings")


@pytest.fixture
def read(worker: FeatureWorker, repo: Path, tmp_path: Path) -> Any:
    def ask(service: str, previous: date | None = JAN) -> tuple[FeatureMonth, dict[str, dict[str, object]]]:
        monitor = MONITOR.model_copy(update={"feature_service": service})
        request = FeatureRequest(repo, monitor, MonthSize(FEB, 3, 3), previous, tmp_path / "features.arrow")
        month = worker.read_month(request)
        return month, {row.pop("thing_id"): row for row in read_file(month.path).to_pylist()}

    return ask


def test_months_and_sizes(worker: FeatureWorker, repo: Path) -> None:
    assert worker.loaded_months(repo, MONITOR) == [JAN, FEB]
    assert worker.measure_month(repo, MONITOR, FEB) == MonthSize(FEB, 3, 3)


def test_no_row_of_the_future_is_used_and_nulls_stay_nulls(read: Any) -> None:
    month, rows = read("readings")
    assert rows["t1"] == {"celsius": 1.0, "flag": None, "word": "ä", "price": None}
    assert rows["t2"] == {"celsius": 2.0, "flag": True, "word": None, "price": 1.25}
    assert rows["t3"] == {"celsius": None, "flag": None, "word": None, "price": None}
    assert (month.rows, month.absent, month.stale_views) == (3, (), ())


def test_a_column_that_the_file_lost_is_named_and_the_rest_is_read(read: Any) -> None:
    month, rows = read("loses")
    assert month.absent == ("goes",) and rows["t2"] == {"stays": 2}


def test_a_file_that_is_gone_is_refused(read: Any) -> None:
    with pytest.raises(FeastRepositoryError, match=r"gone.*parquet") as caught:
        read("gone")
    assert "driftgate apply" in caught.value.remedy


def test_a_feature_row_that_is_there_twice_is_refused(read: Any) -> None:
    with pytest.raises(DataError, match="1 feature rows with the key and timestamp of another"):
        read("twice")


def test_the_row_that_was_written_last_is_used(read: Any) -> None:
    assert read("corrected")[1]["t1"] == {"n": 4}


def test_a_view_without_news_is_stale(read: Any) -> None:
    month, rows = read("old")
    assert month.stale_views == ("old_fv",) and rows["t1"] == {"n": 1}
    assert read("old", previous=None)[0].stale_views == ()


def test_columns_that_feast_renames(read: Any) -> None:
    assert read("renamed")[1]["t3"] == {"amount": 2.5}


def test_a_source_that_is_not_there_names_those_there_are(worker: FeatureWorker, repo: Path) -> None:
    wrong = MONITOR.model_copy(update={"entity": EntitySource(source="thinks", key="thing_id")})
    with pytest.raises(ConfigurationError, match="'thinks'") as caught:
        worker.loaded_months(repo, wrong)
    assert "things" in caught.value.allowed


def test_without_an_offline_store_files_are_read(worker: FeatureWorker, repo: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(repo, tmp_path / "copy"))
    (copy / "feature_store.yaml").write_text(STORE.replace("offline_store: {type: file}\n", ""))
    assert worker.loaded_months(copy, MONITOR) == [JAN, FEB]


def test_what_does_not_fit_into_memory_goes_to_temporary_files_that_are_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_engine, "MEMORY_LIMIT", "60MB")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    repo = tmp_path / "repo"
    repo.mkdir()
    rows = "SELECT md5(i::VARCHAR) AS text FROM range(3000000) AS numbers(i)"
    with duckdb_engine.open_engine(OfflineStore(repo, "duckdb", {})):
        connection = ibis.options.default_backend.con
        connection.execute(f"CREATE TEMP TABLE texts AS {rows}")
        assert [path for path in tmp_path.glob("duckdb-*/*") if path.stat().st_size > 0]
    assert list(tmp_path.iterdir()) == [repo]
    assert not list(repo.iterdir())
