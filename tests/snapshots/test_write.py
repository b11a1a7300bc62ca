"""Writing: the same tables whatever the order and the number of loads, and nothing at all from a load that fails."""

import tempfile
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, inspect, text

from driftgate.database import ConnectionParameters, connect, prepare_database
from driftgate.errors import DatabaseError, DatabaseUnavailableError
from driftgate.snapshots import create_source_tables, ingest_month, month_tables
from driftgate.snapshots.read import read_month
from driftgate.snapshots.validate import validate_month
from driftgate.snapshots.write import _CsvStream, write_month
from streamflow.source_tables import SOURCE_TABLES
from tests.snapshots.months import contents, csv, write_month_folder

JANUARY, FEBRUARY, MARCH = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)


def test_tables_are_keyed_by_user_and_month(database: Engine) -> None:
    create_source_tables(database, SOURCE_TABLES)
    found = inspect(database)
    for name in ("subscriptions_profile_snapshots", "usage_agg_30d_snapshots", "support_agg_90d_snapshots"):
        assert found.get_pk_constraint(name)["constrained_columns"] == ["user_id", "as_of"]
        assert [index["column_names"] for index in found.get_indexes(name)] == [["as_of"]]
    assert found.get_pk_constraint("labels")["constrained_columns"] == ["user_id", "period_start"]
    assert found.get_pk_constraint("users")["constrained_columns"] == ["user_id"]


def test_months_stand_side_by_side_and_base_tables_hold_the_newest(tmp_path: Path, database: Engine) -> None:
    ingest_month(database, SOURCE_TABLES, write_month_folder(tmp_path / "a", level=1), JANUARY)
    ingest_month(database, SOURCE_TABLES, write_month_folder(tmp_path / "b", users=("u2", "u4"), level=5), FEBRUARY)
    rows = contents(database)
    assert [row[:2] for row in rows["labels"]] == [
        ("u1", JANUARY),
        ("u2", JANUARY),
        ("u2", FEBRUARY),
        ("u3", JANUARY),
        ("u4", FEBRUARY),
    ]
    assert rows["payments_agg_90d"] == [("u2", 5), ("u4", 5)]
    assert [row[0] for row in rows["users"]] == ["u2", "u4"]


def test_null_stays_null_and_text_stays_text(tmp_path: Path, database: Engine) -> None:
    odd = ['say ""yes"", then', "\\N", "\\.", "naïve ☃", "two\nlines", "NULL"]
    users = [f"u{n}" for n in range(len(odd))]
    rows = [f'{user},,"{value}",,True,' for user, value in zip(users, odd, strict=True)]
    folder = write_month_folder(tmp_path, users=users, files={"users": csv("users", *rows)})
    ingest_month(database, SOURCE_TABLES, folder, JANUARY)
    stored = contents(database)
    assert [row[2] for row in stored["users"]] == [value.replace('""', '"') for value in odd]
    assert [row[3] for row in stored["users"]] == [None] * len(odd)
    for name in ("subscriptions", "subscriptions_profile_snapshots"):
        streams = [row[3 if "snapshots" in name else 2] for row in stored[name]]
        assert streams == [True, None, True, None, True, None]
        assert all(row[-4:] == (None,) * 4 for row in stored[name])


_STRAIGHT: dict[tuple[date, ...], dict[str, list[tuple[object, ...]]]] = {}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.sampled_from([JANUARY, FEBRUARY, MARCH]), min_size=1, max_size=4),
    extra=st.randoms(use_true_random=False),
)
def test_any_order_and_any_repeats_give_the_same_tables(
    server: ConnectionParameters, days: list[date], extra: Any
) -> None:
    again = [*days, *extra.sample(days, k=len(days) // 2)]
    extra.shuffle(again)
    # Straight through, once each and in order, is what every other way must equal.
    straight = tuple(sorted(set(days)))
    if straight not in _STRAIGHT:
        _STRAIGHT[straight] = _loaded(server, list(straight))
    assert _loaded(server, again) == _STRAIGHT[straight]


def _loaded(server: ConnectionParameters, days: list[date]) -> dict[str, list[tuple[object, ...]]]:
    """Load the months of these days, in this order, into a database of their own."""
    admin = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    name = f"test_{uuid.uuid4().hex}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine = connect(replace(server, dbname=name))
    try:
        with tempfile.TemporaryDirectory() as home:
            for day in days:
                users = [f"u{n}" for n in range(day.month, day.month + 4)]
                ingest_month(
                    engine, SOURCE_TABLES, write_month_folder(Path(home) / str(day), users, level=day.month), day
                )
        return contents(engine)
    finally:
        engine.dispose()
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()


def test_a_reload_repairs_a_bad_load(tmp_path: Path, database: Engine) -> None:
    good = write_month_folder(tmp_path / "good", level=2)
    other = write_month_folder(tmp_path / "other", level=9)
    ingest_month(database, SOURCE_TABLES, good, JANUARY)
    ingest_month(database, SOURCE_TABLES, other, FEBRUARY)
    expected = contents(database)
    # Another month's files under January: wrong values, a user too many and one too few.
    ingest_month(
        database, SOURCE_TABLES, write_month_folder(tmp_path / "bad", users=("u1", "u3", "u7"), level=40), JANUARY
    )
    assert contents(database) != expected
    ingest_month(database, SOURCE_TABLES, good, JANUARY)
    assert contents(database) == expected


def test_a_bad_load_of_the_newest_month_is_repaired_in_the_base_tables_too(tmp_path: Path, database: Engine) -> None:
    good = write_month_folder(tmp_path / "good", level=2)
    ingest_month(database, SOURCE_TABLES, good, JANUARY)
    expected = contents(database)
    ingest_month(database, SOURCE_TABLES, write_month_folder(tmp_path / "bad", users=("u8",), level=40), JANUARY)
    ingest_month(database, SOURCE_TABLES, good, JANUARY)
    assert contents(database) == expected


@pytest.mark.parametrize("table", [str(table) for table in month_tables(SOURCE_TABLES).all])
def test_a_load_that_fails_anywhere_leaves_every_table_as_it_was(tmp_path: Path, database: Engine, table: str) -> None:
    ingest_month(database, SOURCE_TABLES, write_month_folder(tmp_path / "a"), JANUARY)
    before = contents(database)
    with database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.user_id = 'u5' THEN RAISE 'refused on purpose'; END IF; RETURN NEW; END $$"
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    folder = write_month_folder(tmp_path / "b", users=("u1", "u5"), level=3)
    for day in (JANUARY, FEBRUARY):
        with pytest.raises(DatabaseError, match="refused on purpose") as caught:
            ingest_month(database, SOURCE_TABLES, folder, day)
        assert not caught.value.transient
        assert contents(database) == before


def test_a_key_too_large_for_the_index_is_refused_whole(tmp_path: Path, database: Engine) -> None:
    ingest_month(database, SOURCE_TABLES, write_month_folder(tmp_path / "a"), JANUARY)
    before = contents(database)
    # Random text, or it would be compressed until it fits.
    huge = "".join(uuid.uuid4().hex for _ in range(400))
    with pytest.raises(DatabaseError, match="index row"):
        ingest_month(database, SOURCE_TABLES, write_month_folder(tmp_path / "b", users=("u1", huge)), FEBRUARY)
    assert contents(database) == before


@pytest.mark.parametrize("step", ["writing support_agg_90d_snapshots", "writing the base tables", "analysing"])
def test_a_server_that_goes_away_is_worth_a_retry(
    tmp_path: Path, database: Engine, server: ConnectionParameters, step: str
) -> None:
    folder = write_month_folder(tmp_path)
    ingest_month(database, SOURCE_TABLES, folder, JANUARY)
    before = contents(database)
    name = database.url.database
    admin = connect(server)

    def cut(message: str) -> None:
        if message.startswith(step):
            with admin.connect() as connection:
                connection.execute(
                    text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name"),
                    {"name": name},
                )

    with pytest.raises(DatabaseUnavailableError):
        ingest_month(database, SOURCE_TABLES, write_month_folder(tmp_path, level=7), FEBRUARY, cut)
    admin.dispose()
    assert contents(database) == before


def test_a_server_that_goes_away_in_the_middle_of_copy_is_worth_a_retry(
    tmp_path: Path, database: Engine, server: ConnectionParameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_month(database, SOURCE_TABLES, write_month_folder(tmp_path), JANUARY)
    before = contents(database)
    admin = connect(server)
    read = _CsvStream.read

    def cut_and_read(stream: _CsvStream, size: int) -> bytes:
        with admin.connect() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name"),
                {"name": database.url.database},
            )
        return read(stream, size)

    with monkeypatch.context() as patched:
        patched.setattr(_CsvStream, "read", cut_and_read)
        with pytest.raises(DatabaseUnavailableError):
            ingest_month(database, SOURCE_TABLES, write_month_folder(tmp_path, level=7), FEBRUARY)
    admin.dispose()
    assert contents(database) == before


def test_two_loads_at_once_take_turns(tmp_path: Path, database: Engine) -> None:
    folders = {
        day: write_month_folder(tmp_path / str(day), [f"u{n}" for n in range(300)], level=day.month)
        for day in (JANUARY, FEBRUARY, MARCH)
    }
    plans = [[JANUARY, MARCH, FEBRUARY], [MARCH, JANUARY, JANUARY], [FEBRUARY, FEBRUARY, MARCH]]
    errors: list[Exception] = []
    steps: list[tuple[int, str]] = []
    gate = threading.Barrier(len(plans))

    def note(who: int) -> Callable[[str], None]:
        return lambda message: steps.append((who, message)) if message.startswith(("writing", "analysing")) else None

    def work(who: int, days: list[date]) -> None:
        try:
            gate.wait()
            for day in days:
                ingest_month(database, SOURCE_TABLES, folders[day], day, note(who))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(who, days)) for who, days in enumerate(plans)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    # Each load runs from its first table to its end with no other in between.
    starts = [n for n, (_, message) in enumerate(steps) if message.endswith("subscriptions_profile_snapshots")]
    for start, end in zip(starts, [*starts[1:], len(steps)], strict=True):
        assert len({who for who, _ in steps[start:end]}) == 1
    together = contents(database)
    assert [row[1] for row in together["payments_agg_90d"]] == [3] * 300
    for day, folder in folders.items():
        ingest_month(database, SOURCE_TABLES, folder, day)
    assert contents(database) == together


def test_a_load_leaves_statistics_and_no_room_lost(tmp_path: Path, database: Engine) -> None:
    folder = write_month_folder(tmp_path, [f"u{n}" for n in range(500)])
    for _ in range(3):
        ingest_month(database, SOURCE_TABLES, folder, JANUARY)
    with database.connect() as connection:
        for table in month_tables(SOURCE_TABLES).all:
            tuples = connection.execute(
                text("SELECT reltuples FROM pg_class WHERE oid = cast(:name AS regclass)"), {"name": str(table)}
            )
            assert tuples.scalar_one() == 500
            pages = connection.execute(
                text("SELECT pg_relation_size(cast(:name AS regclass)) / 8192"), {"name": str(table)}
            )
            assert pages.scalar_one() <= 30


def test_a_table_that_spans_many_batches_arrives_whole(tmp_path: Path, database: Engine) -> None:
    users = [f"ü{n * 7919 % 40_009}" for n in range(40_009)]
    folder = write_month_folder(tmp_path, users)
    prepare_database(database)
    create_source_tables(database, SOURCE_TABLES)
    tables = validate_month(SOURCE_TABLES, folder, read_month(SOURCE_TABLES, folder))
    assert write_month(database, SOURCE_TABLES, tables, JANUARY)
    stored = contents(database)
    assert {row[0] for row in stored["users"]} == set(users)
    assert len(stored["users"]) == len(users)
    fees = {row[0]: (row[1], row[7]) for row in stored["subscriptions"]}
    assert fees == {user: (1 + n, n + 0.25) for n, user in enumerate(users)}
