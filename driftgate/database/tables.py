"""One metadata object that the stages hang their tables on, so that a single call creates what is missing."""

from sqlalchemy import MetaData

metadata = MetaData()
