"""A month of source tables: read, validated as a whole, and written once per (entity, as_of).

Which tables those are is an argument, `SourceTables`; nothing here knows any by name.
"""

from driftgate.snapshots.ingest import IngestReport, ingest_month
from driftgate.snapshots.schema import Column, Kind, SourceTable, SourceTables
from driftgate.snapshots.tables import MonthTables, create_source_tables, month_tables

__all__ = [
    "Column",
    "IngestReport",
    "Kind",
    "MonthTables",
    "SourceTable",
    "SourceTables",
    "create_source_tables",
    "ingest_month",
    "month_tables",
]
