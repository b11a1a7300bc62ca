"""A month of source tables: read, validated as a whole, and written once per (user, as_of)."""

from driftgate.snapshots.dates import parse_as_of
from driftgate.snapshots.ingest import IngestReport, ingest_month
from driftgate.snapshots.schema import AS_OF, KEY, PERIOD_START, SOURCE_TABLES, Column, Kind, SourceTable
from driftgate.snapshots.tables import BASE_TABLES, SNAPSHOT_TABLES

__all__ = [
    "AS_OF",
    "BASE_TABLES",
    "KEY",
    "PERIOD_START",
    "SNAPSHOT_TABLES",
    "SOURCE_TABLES",
    "Column",
    "IngestReport",
    "Kind",
    "SourceTable",
    "ingest_month",
    "parse_as_of",
]
