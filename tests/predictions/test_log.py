"""The table of predictions: rows of earlier releases keep their place in it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, inspect, text

from driftgate.database import ConnectionParameters, connect, create_tables, prepare_database
from driftgate.measures import LabelKind
from driftgate.predictions.log import Prediction, predicted, save_predictions
from services.database.roles import READER, set_up_roles
from tests.services.database.stack import PASSWORDS, without_roles

NUMERIC = LabelKind.NUMERIC
# As the first release made it.
EARLIER = """
CREATE TABLE predictions (
    prediction_id uuid PRIMARY KEY,
    time timestamp with time zone NOT NULL,
    source text NOT NULL,
    user_id text NOT NULL,
    prediction integer NOT NULL,
    probability double precision NOT NULL,
    model_version text NOT NULL,
    as_of date,
    request_id text,
    features jsonb
);
CREATE INDEX predictions_by_time ON predictions (time);
INSERT INTO predictions VALUES
    ('11111111-1111-1111-1111-111111111111', '2024-03-01T05:06:07Z', 'batch', '7590-VHVEG', 1, 0.75, '1', '2024-02-29');
"""


@pytest.fixture
def earlier(database: Engine) -> Engine:
    """A database of the first release, with one prediction."""
    with database.begin() as connection:
        connection.exec_driver_sql(EARLIER)
    return database


def keys(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT entity_key FROM predictions ORDER BY time")).scalars())


@pytest.mark.parametrize("start", [create_tables, prepare_database])
def test_rows_of_an_earlier_release_are_kept_under_the_new_name(
    earlier: Engine, start: Callable[[Engine], None]
) -> None:
    for _ in range(2):
        start(earlier)
    save_predictions(earlier, [Prediction(uuid4(), datetime.now(UTC), "api", "new", 0, 0.25, "1")])
    assert keys(earlier) == ["7590-VHVEG", "new"]
    columns = {column["name"]: column["nullable"] for column in inspect(earlier).get_columns("predictions")}
    assert "user_id" not in columns and columns["entity_key"] is False
    assert [columns[name] for name in ("prediction", "probability", "time")] == [True, True, False]
    numeric = Prediction(uuid4(), datetime.now(UTC), "api", "trip", model_version="1", **predicted(NUMERIC, 12.5, None))
    save_predictions(earlier, [numeric])
    with earlier.connect() as connection:
        query = text("SELECT prediction, probability, predicted_value FROM predictions WHERE entity_key = 'trip'")
        assert connection.execute(query).one() == (None, None, 12.5)


def test_a_prediction_of_an_earlier_release_is_not_written_twice(earlier: Engine) -> None:
    create_tables(earlier)
    known = UUID("11111111-1111-1111-1111-111111111111")
    save_predictions(earlier, [Prediction(known, datetime.now(UTC), "batch", "7590-VHVEG", 0, 0.25, "1")])
    assert keys(earlier) == ["7590-VHVEG"]


def test_starts_at_once_rename_it_once(earlier: Engine, parameters: ConnectionParameters) -> None:
    engines = [connect(parameters) for _ in range(6)]
    with ThreadPoolExecutor(len(engines)) as pool:
        list(pool.map(create_tables, engines))
        list(pool.map(prepare_database, engines))
    for engine in engines:
        engine.dispose()
    assert keys(earlier) == ["7590-VHVEG"]


def test_dashboards_read_the_renamed_column(
    server: ConnectionParameters, parameters: ConnectionParameters, earlier: Engine
) -> None:
    with without_roles(server, "prefect_of_log"):
        set_up_roles(parameters, PASSWORDS, "prefect_of_log")
        with earlier.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL ROLE {READER}")
            assert connection.execute(text("SELECT entity_key FROM predictions")).scalars().all() == ["7590-VHVEG"]
