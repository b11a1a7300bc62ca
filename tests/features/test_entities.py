"""The entities of a month: which months there are, and a sample that is the same in both."""

from datetime import date

import pytest
from sqlalchemy import Engine, text

from driftgate.errors import ConfigurationError, DataError, UnknownMonthError
from driftgate.features.engines.postgres import PostgresEngine
from driftgate.features.entities import (
    MonthSize,
    loaded_months,
    measure_month,
    month_entities,
)
from driftgate.monitors import EntitySource, Monitor
from tests.features.conftest import sql

JAN, FEB, MAR, APR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)


def monitor(table: str = "things", key: str = "id", timestamp: str = "at", **other: object) -> Monitor:
    join_key = other.pop("join_key", None)
    entity = EntitySource(table=table, key=key, timestamp=timestamp, join_key=join_key)  # type: ignore[arg-type]
    return Monitor(name="m", entity=entity, feature_service="s", **other)  # type: ignore[arg-type]


COLUMN_TYPES = {
    "date": ["2024-01-31", "2024-02-29", "2024-03-01"],
    "timestamp": ["2024-01-31 23:59:59.999", "2024-02-29 00:00", "2024-03-01 00:00"],
    # In UTC these are 2024-01-31 15:00, 2024-02-29 00:00 and 2024-03-01 00:30.
    "timestamptz": ["2024-02-01 00:00+09", "2024-02-28 19:00-05", "2024-02-29 19:30-05"],
}


@pytest.mark.parametrize("kind", COLUMN_TYPES)
def test_months_by_type_of_the_timestamp(database: Engine, offline: PostgresEngine, kind: str) -> None:
    first, second, third = COLUMN_TYPES[kind]
    sql(
        database,
        f"CREATE TABLE things (id text, at {kind}); INSERT INTO things VALUES "
        f"('a', '{first}'), ('b', '{first}'), ('a', '{second}'), ('a', '{third}'), ('c', NULL)",
    )
    rules = monitor()
    assert loaded_months(offline, rules) == [JAN, FEB, date(2024, 3, 1)]
    assert measure_month(offline, rules, JAN) == MonthSize(JAN, 2, 2)
    assert measure_month(offline, rules, FEB) == MonthSize(FEB, 1, 1)
    with database.connect() as connection:
        asked = offline.entities(month_entities(offline, rules, MonthSize(FEB, 1, 1)))
        query = f"SELECT {{}}, event_timestamp AT TIME ZONE 'UTC' FROM ({asked}) e"
        assert (
            connection.execute(text(query.format("id"))).all()
            == connection.execute(text("SELECT 'a', timestamp '2024-02-29'")).all()
        )
    assert offline.arrow(month_entities(offline, rules, MonthSize(JAN, 2, 2))).num_rows == 2


@pytest.mark.parametrize(
    ("table", "key", "timestamp"),
    [
        ("Things", "Thing Id", "As Of"),
        ("crm.things", "id", "at"),
        ("My Schema.My Table", "SELECT", "order"),
        ("things", "id%", "at;--"),
        ("dbo.users", "user'id", "a:b"),
    ],
)
def test_names_that_must_be_quoted(
    database: Engine, offline: PostgresEngine, table: str, key: str, timestamp: str
) -> None:
    schema, _, plain = table.rpartition(".")
    quoted = (f'"{schema}".' if schema else "") + f'"{plain}"'
    if schema:
        sql(database, f'CREATE SCHEMA "{schema}"')
    sql(database, f'CREATE TABLE {quoted} ("{key}" text, "{timestamp}" date)')
    sql(database, f"INSERT INTO {quoted} SELECT 'u' || n, '2024-01-31' FROM generate_series(1, 1500) n")
    rules = monitor(table, key, timestamp, join_key="thing", max_report_rows=1000)
    assert loaded_months(offline, rules) == [JAN]
    size = measure_month(offline, rules, JAN)
    assert size == MonthSize(JAN, 1500, 1000) and size.sampled
    with database.connect() as connection:
        result = connection.exec_driver_sql(offline.entities(month_entities(offline, rules, size)).replace("%", "%%"))
        assert list(result.keys()) == ["thing", "event_timestamp"]
        assert len(result.all()) == 1000


def test_the_last_day_that_a_date_can_be_is_a_month(database: Engine, offline: PostgresEngine) -> None:
    sql(database, "CREATE TABLE things (id text, at date); INSERT INTO things VALUES ('a', '9999-12-31')")
    assert loaded_months(offline, monitor()) == [date.max]
    assert measure_month(offline, monitor(), date.max) == MonthSize(date.max, 1, 1)


@pytest.mark.parametrize(
    ("rows", "error", "named"),
    [
        ("('a', '2024-02-29')", UnknownMonthError, "2024-01-31 has no rows"),
        ("('a', '2024-01-31'), (NULL, '2024-01-31')", DataError, "1 without id, 0 repeating"),
        ("('a', '2024-01-31'), ('a', '2024-01-31'), ('a', '2024-01-31')", DataError, "0 without id, 2 repeating"),
        ("(NULL, '2024-01-31')", DataError, "1 without id"),
    ],
)
def test_a_month_whose_rows_cannot_be_told_apart(
    database: Engine, offline: PostgresEngine, rows: str, error: type[DataError], named: str
) -> None:
    sql(database, f"CREATE TABLE things (id text, at date); INSERT INTO things VALUES {rows}")
    with pytest.raises(error, match=named):
        measure_month(offline, monitor(), JAN)


@pytest.mark.parametrize(
    "wrong", [{"table": "nothing"}, {"table": "no.things"}, {"timestamp": "when"}, {"key": "name"}]
)
def test_a_table_that_is_not_as_described_is_a_matter_of_configuration(
    database: Engine, offline: PostgresEngine, wrong: dict[str, str]
) -> None:
    sql(database, "CREATE TABLE things (id text, at date); INSERT INTO things VALUES ('a', '2024-01-31')")
    rules = monitor(**wrong)
    with pytest.raises(ConfigurationError, match=next(iter(wrong.values()))) as caught:
        loaded_months(offline, rules)
        measure_month(offline, rules, JAN)
    assert caught.value.remedy.startswith("correct table, source, key, timestamp and group in monitors.toml")
    assert "the tables of the worked case are made by `driftgate ingest`" in caught.value.remedy


def sample_of(offline: PostgresEngine, rules: Monitor, month: date) -> set[object]:
    size = measure_month(offline, rules, month)
    keys = offline.arrow(month_entities(offline, rules, size)).column(rules.entity.feast_key).to_pylist()
    assert len(keys) == len(set(keys)) == size.compared
    return set(keys)


@pytest.mark.parametrize("kind", ["text", "integer", "uuid"])
def test_the_sample_depends_on_keys_and_seed_alone(database: Engine, offline: PostgresEngine, kind: str) -> None:
    key = {"text": "'u' || n", "integer": "n", "uuid": "md5(n::text)::uuid"}[kind]
    for name, order in (("things", "n"), ("shuffled", "md5(n::text || 'x')")):
        sql(
            database,
            f"CREATE TABLE {name} AS SELECT {key} AS id, day AS at FROM generate_series(1, 3000) n, "
            f"(VALUES (date '2024-01-31'), ('2024-02-29')) d (day) ORDER BY {order}",
        )
    # A third of the entities left between the months, and as many came.
    sql(database, "DELETE FROM things WHERE at = '2024-02-29' AND hashtext(id::text) % 3 = 0")
    rules = monitor(max_report_rows=1000)
    drawn = sample_of(offline, rules, JAN)
    assert len(drawn) == 1000
    assert drawn == sample_of(offline, rules, JAN)
    assert drawn == sample_of(offline, monitor("shuffled", max_report_rows=1000), JAN)
    assert drawn == sample_of(offline, monitor("shuffled", max_report_rows=1000), FEB)
    other_seed = sample_of(offline, monitor(max_report_rows=1000, sample_seed=7), JAN)
    assert 200 < len(drawn & other_seed) < 500, "another seed draws other entities, a third of them by chance"

    # Whoever is drawn and still there is drawn again; only the gaps are filled.
    with database.connect() as connection:
        left = set(connection.execute(text("SELECT id FROM things WHERE at = '2024-02-29'")).scalars())
    assert drawn & left <= sample_of(offline, rules, FEB)


@pytest.mark.parametrize("kind", ["text", "time"])
def test_a_time_that_is_none_is_a_matter_of_configuration(database: Engine, offline: PostgresEngine, kind: str) -> None:
    sql(database, f"CREATE TABLE things (id text, at {kind})")
    with pytest.raises(ConfigurationError, match="is of type") as caught:
        loaded_months(offline, monitor())
    assert caught.value.allowed == "a date or a timestamp"


def test_a_month_that_is_small_enough_is_read_whole(database: Engine, offline: PostgresEngine) -> None:
    sql(database, "CREATE TABLE things AS SELECT n AS id, date '2024-01-31' AS at FROM generate_series(1, 1000) n")
    rules = monitor(max_report_rows=1000)
    size = measure_month(offline, rules, JAN)
    assert not size.sampled
    assert "LIMIT" not in offline.entities(month_entities(offline, rules, size))
    assert len(sample_of(offline, rules, JAN)) == 1000
