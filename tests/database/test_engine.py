"""Connections: the URL text, the kinds of failure, UTC sessions, and a database prepared for point-in-time joins."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from driftgate.database import ConnectionParameters, connect, database_errors, engine
from driftgate.database.engine import translate
from driftgate.errors import DatabaseError, DatabaseUnavailableError
from tests.database.roles import role_with_password

HOSTILE = [
    "",
    "plain",
    "p@ss:w/rd?&#[]%",
    "%41%zz",
    "two words + plus",
    "quote'double\"back\\slash",
    "$HOME ${HOME} `id`",
    "{{ jinja }} {% raw %}",
    "ünïcødé Пароль 密码",
    "line\nbreak\ttab",
    "=&sslmode=disable&host=evil",
]


def parameters_of(url_text: str) -> tuple[object, ...]:
    url = make_url(url_text)
    # Where the database's name stands is the writer's choice; in the path not every SQLAlchemy decodes it.
    database = url.query.get("dbname") or url.database
    return (url.query["host"], url.query["port"], url.username, url.password or "", database)


@pytest.mark.parametrize("password", HOSTILE)
@pytest.mark.parametrize("host", ["db.example.org", "10.0.0.1", "::1", "/tmp/a folder/with+odd&signs"])
def test_the_url_text_round_trips(host: str, password: str) -> None:
    given_parameters = ConnectionParameters(host, 6543, "us:er@x", password, "data/base?", "require")
    url_text = given_parameters.url_text()
    assert parameters_of(url_text) == (host, "6543", "us:er@x", password, "data/base?")
    assert make_url(url_text).query["sslmode"] == "require"
    url = given_parameters.url()
    assert (url.query["host"], url.username, url.password or "", url.database) == (
        host,
        "us:er@x",
        password,
        "data/base?",
    )


@given(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)] * 4)
def test_any_text_round_trips(host: str, user: str, password: str, dbname: str) -> None:
    url_text = ConnectionParameters(host, 5432, user, password, dbname).url_text()
    assert parameters_of(url_text) == (host, "5432", user, password, dbname)


@pytest.mark.parametrize("password", HOSTILE[1:])
def test_passwords_are_not_shown(password: str) -> None:
    shown = ConnectionParameters("h", 1, "u", password, "d")
    assert password not in repr(shown) and password not in str(shown)


def test_the_url_text_connects(parameters: ConnectionParameters) -> None:
    engine = create_engine(parameters.url_text())
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar_one() == parameters.dbname
    engine.dispose()


@pytest.fixture(scope="module")
def careful(server: ConnectionParameters) -> Iterator[ConnectionParameters]:
    with role_with_password(server, "careful") as parameters:
        yield parameters


def failure(parameters: ConnectionParameters) -> DatabaseError:
    engine = connect(parameters)
    with (
        pytest.raises(DatabaseError) as caught,
        database_errors("looking", parameters),
        engine.connect(),
    ):
        pass
    engine.dispose()
    return caught.value


def test_the_right_password_is_accepted(careful: ConnectionParameters) -> None:
    for url in (careful.url(), careful.url_text()):
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT current_user")).scalar_one() == "careful"
        engine.dispose()


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_not_worth_a_retry(careful: ConnectionParameters, password: str) -> None:
    error = failure(replace(careful, password=password))
    assert not error.transient
    assert "POSTGRES_PASSWORD" in error.remedy
    assert str(careful.host) in str(error)


def test_an_unknown_database_is_not_worth_a_retry(server: ConnectionParameters) -> None:
    error = failure(replace(server, dbname="no_such_database"))
    assert not error.transient
    assert "no_such_database" in str(error) and "POSTGRES_DB" in error.remedy


def test_an_unknown_role_is_not_worth_a_retry(server: ConnectionParameters) -> None:
    error = failure(replace(server, user="nobody_of_that_name"))
    assert not error.transient
    assert "nobody_of_that_name" in str(error)


@pytest.mark.parametrize("right", ["NOLOGIN", "LOGIN"])
def test_a_role_that_may_not_connect_is_not_worth_a_retry(parameters: ConnectionParameters, right: str) -> None:
    admin = connect(parameters).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE guest {right}")
        connection.exec_driver_sql(f"REVOKE CONNECT ON DATABASE {parameters.dbname} FROM PUBLIC")
    try:
        assert not failure(replace(parameters, user="guest")).transient
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql("DROP ROLE guest")
        admin.dispose()


def test_an_empty_socket_folder_is_worth_a_retry(server: ConnectionParameters) -> None:
    with TemporaryDirectory() as folder:
        error = failure(replace(server, host=folder))
    assert isinstance(error, DatabaseUnavailableError) and error.transient


def test_a_closed_port_is_worth_a_retry(server: ConnectionParameters) -> None:
    error = failure(replace(server, host="127.0.0.1", port=1))
    assert isinstance(error, DatabaseUnavailableError) and error.transient
    assert "POSTGRES_HOST" in error.remedy and "127.0.0.1:1" in str(error)


# What libpq says for a host name with two addresses, the first of which nobody listens on.
TWO_ADDRESSES = (
    'connection to server at "localhost" (::1), port 5432 failed: Connection refused\n'
    "\tIs the server running on that host and accepting TCP/IP connections?\n"
    'connection to server at "localhost" (127.0.0.1), port 5432 failed: FATAL:  {}\n'
)


@pytest.mark.parametrize(
    "refusal", ['password authentication failed for user "u"', 'database "d" does not exist', 'role "u" does not exist']
)
def test_a_refusal_at_the_second_address_is_seen(refusal: str) -> None:
    driver = psycopg2.OperationalError(TWO_ADDRESSES.format(refusal))
    error = translate(OperationalError("", None, driver), "looking")
    assert not error.transient
    assert refusal in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is shutting down",
        "FATAL:  sorry, too many clients already",
        "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "Connection refused",
        "server closed the connection unexpectedly",
        "timeout expired",
    ],
)
def test_what_passes_by_itself_is_worth_a_retry(answer: str) -> None:
    driver = psycopg2.OperationalError(f'connection to server at "db" (10.0.0.2), port 5432 failed: {answer}\n')
    assert translate(OperationalError("", None, driver), "looking").transient


def test_a_session_that_is_ended_is_worth_a_retry(database: Engine) -> None:
    with database.connect() as victim, database.connect() as other:
        pid = victim.execute(text("SELECT pg_backend_pid()")).scalar_one()
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(DatabaseUnavailableError), database_errors("looking"):
            victim.execute(text("SELECT 1"))


def test_a_refused_statement_is_not_worth_a_retry(database: Engine) -> None:
    with (
        pytest.raises(DatabaseError, match="failed while looking around") as caught,
        database_errors("looking around"),
        database.connect() as connection,
    ):
        connection.execute(text("SELECT 1 / 0"))
    assert not caught.value.transient
    assert caught.value.__cause__ is not None


def test_sessions_run_in_utc(database: Engine) -> None:
    with database.connect() as connection:
        connection.exec_driver_sql("ALTER ROLE postgres SET timezone = 'Asia/Tokyo'")
        connection.commit()
    try:
        database.dispose()
        with database.connect() as connection:
            assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"
    finally:
        with database.begin() as connection:
            connection.exec_driver_sql("ALTER ROLE postgres RESET timezone")


@pytest.mark.parametrize("answer", ["FATAL:  the database system is starting up", "Connection refused"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "not named"])
def test_a_full_disk_of_an_embedded_server_is_named_and_not_worth_a_retry(
    answer: str, named: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    driver = psycopg2.OperationalError(f'connection to server on socket "s" failed: {answer}\n')
    parameters = ConnectionParameters("/socket", 5432, "u", "", "d") if named else None
    # A file system that never has room.
    monkeypatch.setattr(engine, "EMBEDDED_HOSTS", {"/socket": Path("/proc")})
    error = translate(OperationalError("", None, driver), "looking", parameters)
    assert not error.transient and "the disk of /proc is full: 0 MB" in str(error)
    assert "DRIFTGATE_HOME" in error.remedy and "POSTGRES_HOST" not in error.remedy
    for elsewhere in ({"/socket": tmp_path}, {"/socket": Path("/nonexistent")}, {}):
        monkeypatch.setattr(engine, "EMBEDDED_HOSTS", elsewhere)
        assert translate(OperationalError("", None, driver), "looking", parameters).transient
