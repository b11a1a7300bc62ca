"""Databases as they were before there were revisions."""

from pathlib import Path

from sqlalchemy import Engine, text

from driftgate.database.schema import VERSION_TABLE

BEFORE = Path(__file__).with_name("before_migrations.sql")


def make_earlier_tables(engine: Engine) -> None:
    """The tables that the last commit without revisions made, each with a row."""
    with engine.begin() as connection:
        connection.exec_driver_sql(BEFORE.read_text(encoding="utf-8").replace("%", "%%"))


def forget_revision(engine: Engine) -> None:
    """Make a database of today one that is older than revisions."""
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
