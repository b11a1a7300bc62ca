"""The database that the settings name.

A module of its own: it imports the embedded server only where no other is named.
"""

from driftgate.database.engine import ConnectionParameters
from driftgate.settings import Settings


def connection_parameters(settings: Settings) -> ConnectionParameters:
    """Return where the configured server is; without POSTGRES_HOST, start or join the embedded one.

    Raises:
        DatabaseError: the embedded server does not start.
    """
    database = settings.database
    if database.host is None:
        from driftgate.database.embedded import embedded_parameters

        return embedded_parameters(settings.driftgate_home, database.db)
    return ConnectionParameters(
        database.host,
        database.port,
        database.user,
        database.password.get_secret_value(),
        database.db,
        database.sslmode,
    )
