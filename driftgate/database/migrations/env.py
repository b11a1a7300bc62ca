"""What Alembic runs for an upgrade. The connection is that of `driftgate.database.schema`, in its transaction.

The page is short: Alembic asks for it in this place.
"""

from alembic import context

from driftgate.database.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
