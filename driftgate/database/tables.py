"""One metadata object that holds every table, so that a single call creates what is missing."""

from sqlalchemy import MetaData

metadata = MetaData()

EARLIER_NAME = "earlier_name"
"""Key in a column's `info`: what an earlier release called the column. `create_tables` renames it, with its rows."""
