"""A role that must give a password; of others the embedded server asks the kernel who they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from driftgate.database import ConnectionParameters, connect

PASSWORD = "right@/:?"


@contextmanager
def role_with_password(server: ConnectionParameters, name: str) -> Iterator[ConnectionParameters]:
    """Create the role, and drop it and the server's rule about it afterwards."""
    engine = connect(server).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        hba = Path(connection.exec_driver_sql("SHOW hba_file").scalar_one())
        before = hba.read_text()
        hba.write_text(f"local all {name} scram-sha-256\n{before}")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        yield replace(server, user=name, password=PASSWORD)
        hba.write_text(before)
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        connection.exec_driver_sql(f"DROP ROLE {name}")
    engine.dispose()
