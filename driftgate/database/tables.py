"""One metadata object that holds every table, so that a single call creates what is missing."""

from sqlalchemy import MetaData

metadata = MetaData()
