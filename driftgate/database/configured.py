"""The database that the settings name."""

from driftgate.database.engine import ConnectionParameters
from driftgate.settings import Settings


def connection_parameters(settings: Settings) -> ConnectionParameters:
    """The configured server; without POSTGRES_HOST the embedded one, which is started or joined.

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
