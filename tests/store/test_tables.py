"""Run tables on a real PostgreSQL: one set of rows for each monitor and pair of months, whatever happens."""

import json
import threading
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from driftgate.database import create_tables
from driftgate.errors import DatabaseError
from driftgate.store.record import RunRecord
from driftgate.store.tables import monitor_columns, monitor_runs, save_run
from tests.reports.runs import FEBRUARY, JANUARY, MARCH, NO_TARGET, TARGET, column, finished, lost
from tests.store.examples import EXAMPLES, GOLDEN, known


@pytest.fixture
def results(database: Engine) -> Engine:
    """A database that holds the result tables, and they are empty."""
    create_tables(database)
    return database


def rows(engine: Engine, table: Any) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]


def test_the_tables_are_made_as_earlier_releases_made_them() -> None:
    golden = (GOLDEN / "tables.sql").read_text().splitlines()
    made = [CreateTable(table).compile(dialect=postgresql.dialect()) for table in (monitor_runs, monitor_columns)]
    lines = "".join(f"{str(table).strip()};\n" for table in made).splitlines()
    assert [line for line in lines if line in golden] == golden
    assert [line for line in lines if line not in golden and "NOT NULL" in line] == [], "earlier rows lack the value"


@pytest.mark.parametrize("name", EXAMPLES)
def test_rows_are_written_as_earlier_releases_wrote_them(results: Engine, name: str) -> None:
    save_run(results, EXAMPLES[name])
    runs, columns = rows(results, monitor_runs), rows(results, monitor_columns)
    for row in runs:
        assert row.pop("record") == RunRecord.of(EXAMPLES[name]).content
        row["decided_at"] = row["decided_at"].timestamp()
    golden = (GOLDEN / f"{name}.rows.json").read_text(encoding="utf-8")
    written = known({"monitor_runs": runs, "monitor_columns": columns}, json.loads(golden))
    assert json.dumps(written, indent=1, default=str) + "\n" == golden


def test_a_run_and_its_columns_are_stored(results: Engine) -> None:
    run = finished(column("a", 0.5), column("b"), target_threshold=0.5)
    save_run(results, run)
    (stored,) = rows(results, monitor_runs)
    assert (stored["monitor"], stored["as_of_ref"], stored["as_of_cur"]) == ("churn", JANUARY, FEBRUARY)
    assert stored["decided_at"] == run.decided_at
    assert stored["verdict"] == "RETRAINING_TRIGGERED (SIMULATED)"
    assert stored["reasons"] == ["drift_share=0.50 >= 0.30", "target_drift=0.02 < 0.50"]
    assert (stored["drift_share"], stored["threshold"]) == (0.5, 0.3)
    assert (stored["drifted_features"], stored["declared_features"]) == (1, 2)
    assert (stored["target_ref"], stored["target_cur"], stored["target_drift"]) == (
        TARGET.ref,
        TARGET.cur,
        TARGET.abs_diff,
    )
    assert (stored["target_threshold"], stored["target_reason"]) == (0.5, "")
    assert stored["report_html"] == "/reports/drift_2024-01-31_vs_2024-02-29.html"
    assert stored["record"] == RunRecord.of(run).content
    first, second = rows(results, monitor_columns)
    assert (first["name"], first["score"], first["drifted"], first["drifted_by"]) == ("a", 0.5, True, "values")
    assert (second["name"], second["method"], second["drifted"]) == ("b", "wasserstein", False)


def test_what_is_not_computable_is_null(results: Engine) -> None:
    save_run(results, finished(column("a"), lost("b"), target=NO_TARGET))
    (stored,) = rows(results, monitor_runs)
    assert (stored["target_ref"], stored["target_drift"]) == (None, None)
    assert stored["target_reason"] == NO_TARGET.reason
    gone = rows(results, monitor_columns)[1]
    assert (gone["state"], gone["score"], gone["threshold"], gone["missing_share_ref"]) == ("missing", None, None, None)


def test_a_rerun_replaces_its_own_set_and_no_other(results: Engine) -> None:
    save_run(results, finished(column("a", 0.5), column("b")))
    save_run(results, finished(column("a"), months=(JANUARY, MARCH)))
    save_run(results, finished(column("a"), name="other"))
    save_run(results, finished(column("c"), column("d"), column("e")))
    stored = rows(results, monitor_runs)
    assert [(row["monitor"], row["as_of_cur"], row["declared_features"]) for row in stored] == [
        ("churn", FEBRUARY, 3),
        ("churn", MARCH, 1),
        ("other", FEBRUARY, 1),
    ]
    names = [(row["monitor"], row["as_of_cur"], row["name"]) for row in rows(results, monitor_columns)]
    assert names == [
        *(("churn", FEBRUARY, name) for name in "cde"),
        ("churn", MARCH, "a"),
        ("other", FEBRUARY, "a"),
    ]


def test_saves_of_one_pair_at_the_same_time_leave_one_set(results: Engine) -> None:
    runs = [finished(*(column(f"run{n}_{m}") for m in range(n + 1))) for n in range(6)]
    start = threading.Barrier(len(runs))
    failures: list[BaseException] = []

    def save(run: Any) -> None:
        start.wait()
        try:
            save_run(results, run)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=save, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    (stored,) = rows(results, monitor_runs)
    names = {row["name"] for row in rows(results, monitor_columns)}
    assert names == {item["name"] for item in stored["record"]["columns"]}
    assert len(names) == stored["declared_features"]


@pytest.mark.parametrize("table", ["monitor_runs", "monitor_columns"])
def test_a_save_that_fails_leaves_the_old_set(results: Engine, table: str) -> None:
    save_run(results, finished(column("a"), column("b")))
    before = rows(results, monitor_runs), rows(results, monitor_columns)
    with results.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused on purpose'; END $$"
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    with pytest.raises(DatabaseError, match="refused on purpose") as caught:
        save_run(results, finished(column("c")))
    assert not caught.value.transient
    assert (rows(results, monitor_runs), rows(results, monitor_columns)) == before


def test_a_hostile_name_is_only_a_name(results: Engine) -> None:
    name = "x'); DROP TABLE monitor_runs; -- %s {} :x"
    save_run(results, finished(column(name)))
    assert [row["name"] for row in rows(results, monitor_columns)] == [name]
