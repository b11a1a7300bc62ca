"""Reading features through the feature process: what is declared, and that no row is used outside its time."""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Engine, text

from driftgate.errors import DatabaseError, DatabaseUnavailableError, DataError, FeastRepositoryError
from driftgate.features.entities import MonthSize
from driftgate.features.types import FeatureRequest, Kind
from flows.runtime.environment import feature_worker
from tests.features.conftest import CUR, Cases, Read, sql, store_text


def test_every_declared_feature_has_a_kind(read: Read) -> None:
    month, rows = read("kinds")
    assert [(item.name, item.dtype, item.kind) for item in month.declared] == [
        ("small", "INT32", Kind.NUMERIC),
        ("large", "INT64", Kind.NUMERIC),
        ("narrow", "FLOAT32", Kind.NUMERIC),
        ("wide", "FLOAT64", Kind.NUMERIC),
        ("price", "FLOAT64", Kind.NUMERIC),
        ("word", "STRING", Kind.CATEGORICAL),
        ("flag", "BOOL", Kind.CATEGORICAL),
        ("moment", "UNIX_TIMESTAMP", Kind.TIMESTAMP),
        ("list", next(item.dtype for item in month.declared if item.name == "list"), Kind.ARRAY),
        ("blob", "BYTES", Kind.UNSUPPORTED),
    ]
    assert {item.view for item in month.declared} == {"kinds_fv"}
    assert (month.as_of, month.rows, month.absent, month.stale_views) == (CUR, 6, (), ())
    assert (rows["t3"]["small"], rows["t3"]["large"], rows["t3"]["flag"]) == (3, 5_000_000_003, False)
    assert (rows["t3"]["price"], rows["t3"]["word"]) == (3.75, "w3")
    assert rows["t3"]["wide"] == 1.0


def test_nulls_stay_nulls(read: Read, cases_engine: Engine) -> None:
    month, _ = read("kinds")
    with pa.memory_map(str(month.path)) as source:
        table = pa.ipc.open_file(source).read_all()
    nulls = {name: table.column(name).null_count for name in table.column_names}
    with cases_engine.connect() as connection:
        for item in month.declared:
            query = text(f'SELECT count(*) - count("{item.name}") FROM kinds WHERE as_of = :day')
            assert nulls[item.name] == connection.execute(query, {"day": CUR}).scalar_one(), item.name
    assert nulls["flag"] == 2 and nulls["narrow"] == 0


def test_no_row_of_the_future_and_none_past_its_life_is_used(read: Read) -> None:
    _, rows = read("readings")
    celsius = {key: row["celsius"] for key, row in rows.items()}
    assert celsius == {
        "t1": 2.0,  # the newest before the month's moment; one second after it is the future
        "t2": 10.0,  # exactly at it
        "t3": 20.0,  # exactly as old as its life
        "t4": None,  # a second older
        "t5": None,  # the future, and long ago
        "t6": 50.0,  # 08:00 in Tokyo is before the moment, 20:00 in New York is after it
    }


def test_a_column_that_the_source_lost_is_named_and_the_rest_is_read(read: Read) -> None:
    month, rows = read("lost_column")
    assert month.absent == ("goes",)
    assert [item.name for item in month.declared] == ["stays", "goes"]
    assert rows["t1"] == {"stays": 1}


def test_a_source_that_lost_every_column_is_refused(read: Read) -> None:
    with pytest.raises(FeastRepositoryError, match="lost_all_columns"):
        read("lost_all_columns")


def test_a_source_table_that_is_missing_is_refused(read: Read) -> None:
    with pytest.raises(FeastRepositoryError, match="loses_table") as caught:
        read("lost_table")
    assert "driftgate apply" in caught.value.remedy


def test_an_unknown_service_is_refused_with_those_there_are(read: Read) -> None:
    with pytest.raises(FeastRepositoryError, match="no_such_service") as caught:
        read("no_such_service")
    for known in ("kinds", "readings", "twice"):
        assert known in caught.value.allowed
    assert "driftgate apply" in caught.value.remedy


def test_a_key_that_the_views_do_not_know_is_refused(read: Read) -> None:
    with pytest.raises(FeastRepositoryError, match="thing_id"):
        read("kinds", table="strangers", key="other_key")


def test_a_view_without_news_since_the_reference_month_is_stale(read: Read) -> None:
    # Its only rows are of the reference day, at half past six: that is the reference month, not news after it.
    month, rows = read("old")
    assert rows["t1"]["n"] == 1, "its rows live for ever, so the values look all right"
    assert month.stale_views == ("old_fv",)


def test_staleness_is_not_asked_of_the_reference_month(read: Read) -> None:
    month, _ = read("old", previous=None)
    assert month.stale_views == ()


def test_names_that_two_views_share_are_told_apart(read: Read) -> None:
    # One of the two sources is a query with a percent sign in it.
    month, rows = read("shared")
    assert [item.name for item in month.declared] == ["left_fv__large", "right_fv__large"]
    assert rows["t1"] == {"left_fv__large": 5_000_000_001, "right_fv__large": 5_000_000_001}
    assert rows["t2"] == {"left_fv__large": None, "right_fv__large": None}


def test_a_feature_row_that_is_there_twice_is_refused(read: Read) -> None:
    with pytest.raises(DataError, match="12 rows for 6 entities") as caught:
        read("twice")
    assert "same key and timestamp" in caught.value.remedy


def test_an_entity_without_any_feature_row_is_kept(read: Read) -> None:
    _, rows = read("readings", table="newcomers", size=MonthSize(CUR, 2, 2))
    assert rows == {"t1": {"celsius": 2.0}, "new": {"celsius": None}}


@pytest.fixture
def other_store(tmp_path: Path) -> Callable[..., Path]:
    """The same repository with another feature_store.yaml."""

    def write(**other: str) -> Path:
        (tmp_path / "feature_store.yaml").write_text(store_text(**other))
        return tmp_path

    return write


@pytest.mark.parametrize(
    "other",
    [
        {"host": "127.0.0.1", "port": "1"},
        {"registry": "postgresql+psycopg2://u:p@127.0.0.1:1/d"},
    ],
    ids=["offline store", "registry"],
)
def test_a_database_that_is_down_is_worth_a_retry(
    read: Read, other_store: Callable[..., Path], other: dict[str, str]
) -> None:
    with pytest.raises(DatabaseUnavailableError) as caught:
        read("kinds", repo=other_store(**other))
    assert caught.value.transient


def test_a_database_that_does_not_exist_is_not_worth_a_retry(read: Read, other_store: Callable[..., Path]) -> None:
    with pytest.raises(DatabaseError, match="no_such_database") as caught:
        read("kinds", repo=other_store(database="no_such_database"))
    assert not caught.value.transient


def test_a_repository_that_was_never_applied_is_refused(read: Read, other_store: Callable[..., Path]) -> None:
    with pytest.raises(FeastRepositoryError, match="kinds") as caught:
        read("kinds", repo=other_store(project="another_project"))
    assert "driftgate apply" in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "project: [", "project: p\nprovider: no_such_provider\n"])
def test_a_repository_that_is_none_is_refused(read: Read, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "feature_store.yaml").write_text(content)
    with pytest.raises(FeastRepositoryError, match=str(tmp_path)):
        read("kinds", repo=tmp_path)


def test_sessions_that_were_ended_are_worth_a_retry_and_the_retry_succeeds(
    cases: Cases, read: Read, cases_engine: Engine, request_for: Callable[..., FeatureRequest]
) -> None:
    read("kinds")
    sql(
        cases_engine,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    try:
        feature_worker(cases.parameters).read_month(request_for("kinds"))
    except DatabaseError as error:
        assert error.transient
    month, _ = read("kinds")
    assert month.rows == 6


def test_a_uuid_is_read_as_text(cases_engine: Engine, read: Read) -> None:
    month, rows = read("uuids", table="uuids", size=MonthSize(CUR, 3, 3))
    assert [(item.name, item.kind) for item in month.declared] == [("device", Kind.CATEGORICAL), ("x", Kind.NUMERIC)]
    with cases_engine.connect() as connection:
        wanted = connection.execute(text("SELECT thing_id::text, device::text FROM uuids")).all()
    assert {key: row["device"] for key, row in rows.items()} == dict(wanted)
    assert sum(row["device"] is None for row in rows.values()) == 1


@pytest.mark.parametrize(
    "change",
    [
        # Pydantic says of what is missing what it was given instead: all of it.
        lambda store: re.sub(r"(?m)^  (user|sslmode|port|database): .*\n", "", store),
        lambda store: store.replace("open sesame", "918273645").replace('"918273645"', "918273645"),
        lambda store: store.replace('"open sesame"', "[open, sesame]"),
    ],
    ids=["missing fields", "a number", "a list"],
)
def test_a_store_that_pydantic_refuses_shows_no_password(
    read: Read, other_store: Callable[..., Path], change: Callable[[str], str]
) -> None:
    repo = other_store()
    path = repo / "feature_store.yaml"
    store = path.read_text().replace('"${POSTGRES_PASSWORD}"', '"open sesame"')
    assert "open sesame" in store
    path.write_text(change(store))
    with pytest.raises(FeastRepositoryError) as caught:
        read("kinds", repo=repo)
    assert "validation error" in str(caught.value), "it is pydantic that refuses it"
    for part in ("sesame", "918273645"):
        assert part not in f"{caught.value} {caught.value.received} {caught.value.remedy}"


def test_a_name_with_a_double_quote_is_named_in_the_error() -> None:
    from types import SimpleNamespace

    from driftgate.features.feast_adapter import declared_features

    view = SimpleNamespace(features=[SimpleNamespace(name='screen 15" or more', dtype=None)], name_to_use=lambda: "tv")
    with pytest.raises(FeastRepositoryError, match='screen 15" or more') as caught:
        declared_features(SimpleNamespace(feature_view_projections=[view]))
    assert "tv" in str(caught.value) and "field_mapping" in caught.value.remedy
