"""Which entities get a label: what a condition that does not fit its column says."""

from datetime import date

import pytest
from sqlalchemy import Engine

from driftgate.errors import ConfigurationError
from driftgate.features.expected import count_expected
from driftgate.monitors import EntitySource, Monitor
from tests.features.conftest import offline_on, sql

JAN = date(2024, 1, 31)
MONITOR = Monitor(
    name="m", entity=EntitySource(table="flights", key="id", timestamp="at", join_key="flight"), feature_service="s"
)
FLIGHTS = """
CREATE TABLE flights AS SELECT 'f' || n AS id, date '2024-01-31' AS at, n AS distance, n > 1 AS flown,
    CASE WHEN n = 1 THEN 'it''s "off"; --' WHEN n < 4 THEN 'landed' END AS status FROM generate_series(1, 4) n;
"""


@pytest.fixture
def flights(database: Engine) -> Engine:
    sql(database, FLIGHTS)
    return database


def test_a_text_is_a_value_whatever_is_in_it(flights: Engine) -> None:
    with offline_on(flights) as engine:
        assert count_expected(engine, MONITOR, "status == 'it''s \"off\"; --'", JAN) == 1
        assert count_expected(engine, MONITOR, "status != 'it''s \"off\"; --'", JAN) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("distance", "distance is of type"),
        ("status == 1", "status is of type string"),
        ("distance == '1'", "distance is of type"),
        ("flown == 1", "flown is of type boolean"),
        ("distance == true", "distance is of type"),
        ("at == '2024-01-31'", "at is of type date"),
        ("landed and flown", "no column 'landed and flown'"),
        ("height > 1", "no column 'height'"),
    ],
)
def test_a_condition_that_does_not_fit_its_column_is_a_matter_of_configuration(
    flights: Engine, text: str, words: str
) -> None:
    with offline_on(flights) as engine, pytest.raises(ConfigurationError, match=words) as caught:
        count_expected(engine, MONITOR, text, JAN)
    assert "COLUMN and one of == != < <= > >=" in caught.value.allowed
