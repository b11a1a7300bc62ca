"""Keys of artifacts: what Prefect takes, whatever a monitor is called."""

from datetime import date

import pytest

from flows.runtime.artifacts import artifact_key


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("verdict", "churn", date(2024, 1, 31), date(2024, 2, 29)), "verdict-churn-2024-01-31-2024-02-29"),
        (("history", "Late_flights"), "history-late-flights"),
        (("ingest", date(2024, 1, 31)), "ingest-2024-01-31"),
    ],
)
def test_a_key_says_what_it_is_about_and_prefect_takes_it(parts: tuple[str, ...], key: str, prefect_api: str) -> None:
    from prefect.client.schemas.actions import ArtifactCreate

    assert artifact_key(*parts) == key
    assert ArtifactCreate(key=artifact_key(*parts), type="markdown", data="").key == key
