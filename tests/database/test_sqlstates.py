"""The codes of errors, as PostgreSQL gives them through either driver."""

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from driftgate.database.sqlstates import SqlState, sqlstate

STATEMENTS = {
    SqlState.UNDEFINED_TABLE: "SELECT * FROM nowhere",
    SqlState.UNDEFINED_COLUMN: "SELECT nothing FROM pg_class",
    SqlState.INVALID_SCHEMA_NAME: "CREATE TABLE nowhere.t ()",
    SqlState.DUPLICATE_DATABASE: "CREATE DATABASE template1",
    SqlState.DISK_FULL: "DO $$ BEGIN RAISE disk_full; END $$",
    SqlState.UNIQUE_VIOLATION: "DO $$ BEGIN RAISE unique_violation; END $$",
    SqlState.INSUFFICIENT_PRIVILEGE: "DO $$ BEGIN RAISE insufficient_privilege; END $$",
}


@pytest.mark.parametrize("state", SqlState)
def test_the_code_is_what_the_server_gives(database: Engine, state: SqlState) -> None:
    autocommit = database.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text(STATEMENTS[state]))
    assert sqlstate(caught.value) == state


def test_either_driver_and_none() -> None:
    assert sqlstate(DBAPIError("", None, psycopg.errors.UndefinedTable())) == SqlState.UNDEFINED_TABLE
    assert not sqlstate(DBAPIError("", None, OSError()))
