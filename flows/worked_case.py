"""StreamFlow for the flows and the commands: the one place here that imports it.

Months of other source tables are loaded by naming their `SourceTables` here. Features and labels that are in
PostgreSQL already need nothing of this: monitors.toml says where they are.
"""

from streamflow import MONITOR, TARGET
from streamflow.sample import write_sample_months
from streamflow.source_tables import SOURCE_TABLES

__all__ = ["MONITOR", "SOURCE_TABLES", "TARGET", "write_sample_months"]
