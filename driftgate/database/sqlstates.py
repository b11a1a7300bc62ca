"""The error codes of PostgreSQL that Driftgate expects somewhere, with the names of PostgreSQL's manual.

A module of its own, so that each code is written once; a test holds every other module to it.
"""

from enum import StrEnum

from sqlalchemy.exc import DBAPIError


class SqlState(StrEnum):
    """A code of five characters, see appendix A of PostgreSQL's manual."""

    UNIQUE_VIOLATION = "23505"
    INVALID_SCHEMA_NAME = "3F000"
    INSUFFICIENT_PRIVILEGE = "42501"
    UNDEFINED_COLUMN = "42703"
    UNDEFINED_TABLE = "42P01"
    DUPLICATE_DATABASE = "42P04"
    DISK_FULL = "53100"


def sqlstate(error: DBAPIError) -> str:
    """Return the code of an error of psycopg2 or psycopg; empty where the server gave none."""
    return getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None) or ""
