"""The tables are made and brought up to date on one path, whatever the database was and however many begin at once."""

import logging
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from driftgate.database import (
    ConnectionParameters,
    connect,
    create_tables,
    metadata,
    prepare_database,
    update_tables,
)
from driftgate.database.schema import HEAD, VERSION_TABLE
from driftgate.errors import DatabaseError
from driftgate.store.history import past_record, past_runs
from driftgate.store.tables import save_run
from tests.conftest import ROOT
from tests.database.earlier import make_earlier_tables
from tests.database.roles import role_with_password
from tests.reports.runs import finished

REVISIONS = ROOT / "driftgate" / "database" / "migrations"


def revision_of(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one())


def rows_of(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables but that of the revision."""
    names = set(inspect(engine).get_table_names()) - {VERSION_TABLE}
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {name}"))] for name in sorted(names)
        }


def differences(engine: Engine) -> list[object]:
    """What the tables of the database are otherwise than the code has them."""
    # A table is in `metadata` once its module was imported.
    for path in (ROOT / "driftgate").rglob("*.py"):
        if re.search(r"^    metadata,$", path.read_text(encoding="utf-8"), re.MULTILINE):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert len(metadata.tables) >= 10
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return list(compare_metadata(context, metadata))


# ---- revisions


def test_revisions_are_a_line_that_ends_where_the_code_is() -> None:
    script = ScriptDirectory(str(REVISIONS))
    assert script.get_heads() == [HEAD]
    numbers = [revision.revision for revision in script.walk_revisions()]
    assert numbers == [f"{number:04d}" for number in range(len(numbers), 0, -1)]


def test_an_empty_database_gets_the_tables_that_the_code_reads_and_writes(database: Engine) -> None:
    create_tables(database)
    assert revision_of(database) == HEAD
    assert differences(database) == []
    before = rows_of(database)
    create_tables(database)
    assert rows_of(database) == before


def test_the_tables_before_there_were_revisions_keep_their_rows(database: Engine) -> None:
    make_earlier_tables(database)
    before = rows_of(database)
    assert len(before) == 10 and all(before.values()), "every table has a row"
    create_tables(database)
    assert revision_of(database) == HEAD
    # A revision may append columns.
    after = rows_of(database)
    assert {name: [row[: len(old[0])] for row in after[name]] for name, old in before.items()} == before
    assert differences(database) == []
    (run,) = past_runs(database, "churn")
    assert run.verdict == "NO_ACTION"
    save_run(database, finished())
    assert len(past_record(database, "churn", None, None).columns) == 14


def test_who_only_reads_brings_them_up_to_date_and_makes_none(database: Engine) -> None:
    assert not update_tables(database)
    assert past_runs(database, "churn") == []
    assert inspect(database).get_table_names() == []
    make_earlier_tables(database)
    assert len(past_runs(database, "churn")) == 1
    assert revision_of(database) == HEAD
    assert update_tables(database)


@pytest.mark.parametrize("earlier", [False, True], ids=["empty", "before revisions"])
def test_processes_that_start_at_once(earlier: bool, parameters: ConnectionParameters, database: Engine) -> None:
    if earlier:
        make_earlier_tables(database)
    before = rows_of(database)
    code = (
        "from driftgate.database import *; import sys; from driftgate.database import schema\n"
        f"engine = connect(ConnectionParameters({parameters.host!r}, {parameters.port}, {parameters.user!r}, "
        f"{parameters.password!r}, {parameters.dbname!r}))\n"
        "engine.connect().close(); print('ready', flush=True); sys.stdin.readline(); create_tables(engine)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate()
    assert [process.returncode for process in started] == [0, 0, 0]
    assert revision_of(database) == HEAD
    assert {name: len(rows) for name, rows in rows_of(database).items() if rows} == {
        name: len(rows) for name, rows in before.items()
    }
    assert differences(database) == []


def test_tables_of_a_newer_release_are_an_error_and_stay_as_they_are(database: Engine) -> None:
    create_tables(database)
    with database.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    for begin in (create_tables, prepare_database, update_tables, lambda engine: past_runs(engine, "churn")):
        with pytest.raises(DatabaseError, match="revision 9999, which a newer release") as caught:
            begin(database)
        assert "install that release" in str(caught.value)
        assert not caught.value.transient
    assert revision_of(database) == "9999"


def test_an_upgrade_that_fails_changes_nothing(database: Engine) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE predictions (of_another_program text)")
    with pytest.raises(DatabaseError, match="user_id"):
        create_tables(database)
    assert inspect(database).get_table_names() == ["predictions"]


def test_where_nothing_is_to_do_alembic_is_not_imported_and_no_right_is_needed(
    parameters: ConnectionParameters, database: Engine
) -> None:
    create_tables(database)
    with role_with_password(parameters, "looks") as looking:
        with database.begin() as connection:
            connection.exec_driver_sql(f"GRANT SELECT ON {VERSION_TABLE} TO {looking.user}")
        code = (
            "import sys; from driftgate.database import *\n"
            f"create_tables(connect(ConnectionParameters({looking.host!r}, {looking.port}, {looking.user!r}, "
            f"{looking.password!r}, {parameters.dbname!r})))\n"
            "assert 'alembic' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
        with database.begin() as connection:
            connection.exec_driver_sql(f"REVOKE ALL ON {VERSION_TABLE} FROM {looking.user}")


# ---- the planner


def settings_of(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        names = ("enable_nestloop", "work_mem", "timezone")
        return {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names}


def tables_of(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars())


def test_preparing_is_idempotent(database: Engine) -> None:
    version = text(
        "SELECT s.xmin::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
        "WHERE d.datname = current_database()"
    )
    prepare_database(database)
    first = settings_of(database), tables_of(database)
    with database.connect() as connection:
        before = connection.execute(version).scalar_one()
    prepare_database(database)
    with database.connect() as connection:
        after = connection.execute(version).scalar_one()
    assert first == (settings_of(database), tables_of(database))
    assert before == after, "the settings were written again although they were there"
    assert first[0] == {"enable_nestloop": "off", "work_mem": "64MB", "timezone": "UTC"}
    assert "feast_applied" in first[1]


def test_preparing_at_once(parameters: ConnectionParameters) -> None:
    engines = [connect(parameters) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(create_tables, engines))
        list(pool.map(prepare_database, engines))
    assert settings_of(engines[0])["enable_nestloop"] == "off"
    for engine in engines:
        engine.dispose()


def test_preparing_a_database_with_an_awkward_name(server: ConnectionParameters) -> None:
    name = 'Awk"ward name %'
    admin = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    quoted = '"Awk""ward name %"'
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE " + quoted))
    engine = connect(replace(server, dbname=name))
    try:
        prepare_database(engine)
        assert settings_of(engine)["enable_nestloop"] == "off"
    finally:
        engine.dispose()
        with admin.connect() as connection:
            connection.execute(text("DROP DATABASE " + quoted))
        admin.dispose()


def test_a_role_without_the_right_is_only_warned(
    parameters: ConnectionParameters, caplog: pytest.LogCaptureFixture
) -> None:
    admin = connect(parameters)
    with admin.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE tenant LOGIN")
        connection.exec_driver_sql("GRANT CREATE, USAGE ON SCHEMA public TO tenant")
    tenant = connect(replace(parameters, user="tenant"))
    try:
        with caplog.at_level(logging.WARNING, "driftgate.database.engine"):
            prepare_database(tenant)
        assert "enable_nestloop" in caplog.text
        assert "feast_applied" in tables_of(tenant)
        assert settings_of(tenant)["enable_nestloop"] == "on"
    finally:
        tenant.dispose()
        with admin.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY tenant CASCADE")
            connection.exec_driver_sql("DROP ROLE tenant")
        admin.dispose()


def test_a_role_without_any_right_gets_an_error(parameters: ConnectionParameters) -> None:
    admin = connect(parameters)
    with admin.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE visitor LOGIN")
    visitor = connect(replace(parameters, user="visitor"))
    try:
        with pytest.raises(DatabaseError, match="permission denied") as caught:
            prepare_database(visitor)
        assert not caught.value.transient
    finally:
        visitor.dispose()
        with admin.begin() as connection:
            connection.exec_driver_sql("DROP ROLE visitor")
        admin.dispose()
