"""The names of an entity in requests and answers: the join key of the monitor that is served."""

from collections.abc import Iterator

import httpx
import pytest

from driftgate.errors import ConfigurationError
from services.api.app import log_engine
from services.api.schemas import EntitySchemas
from services.api.service import Service
from services.api.settings import ApiSettings
from tests.services.api.conftest import MONTH, Month, live, open_reader, wait_for


@pytest.fixture(scope="module", params=["shop", "shop id"])
def join_key(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shops(month: Month, join_key: str) -> Iterator[httpx.Client]:
    """A service whose callers know an entity by another name."""
    settings = ApiSettings(poll_seconds=0.1)
    engine = log_engine(month.parameters, settings)
    service = Service(settings, month.versions(), open_reader(month), engine, join_key)
    with live(service) as client:
        wait_for(client, "/ready", 200)
        yield client


def test_requests_and_answers_name_the_join_key(shops: httpx.Client, month: Month, join_key: str) -> None:
    first, second = month.users[:2]
    answer = shops.post("/predict", json={join_key: first})
    assert answer.status_code == 200
    assert next(iter(answer.json())) == join_key and answer.json()[join_key] == first
    batch = shops.post("/predict/batch", json={f"{join_key}s": [first, second]}).json()["predictions"]
    assert [item[join_key] for item in batch] == [first, second]
    features = shops.get(f"/features/{first}").json()
    assert features == {join_key: first, "as_of": str(MONTH), "features": month.rows[first]}


def test_refusals_name_it_too(shops: httpx.Client, month: Month, join_key: str) -> None:
    unknown = shops.post("/predict", json={join_key: "nobody"})
    assert (unknown.status_code, unknown.json()[f"unknown_{join_key}s"]) == (404, ["nobody"])
    for body in ({"user_id": month.users[0]}, {"entity_key": month.users[0]}):
        refused = shops.post("/predict", json=body)
        assert refused.status_code == 422
        assert f"body.{join_key}" in [item["where"] for item in refused.json()["errors"]]


def test_the_description_names_it(shops: httpx.Client, join_key: str) -> None:
    answer = shops.get("/openapi.json")
    schemas = answer.json()["components"]["schemas"]
    assert schemas["PredictRequest"]["required"] == [join_key]
    assert schemas["BatchRequest"]["required"] == [f"{join_key}s"]
    assert join_key in schemas["PredictionAnswer"]["properties"] and join_key in schemas["FeaturesAnswer"]["properties"]
    assert f"/features/{{{join_key.replace(' ', '_')}}}" in answer.json()["paths"]
    assert "entity_key" not in answer.text and "user_id" not in answer.text


@pytest.mark.parametrize("name", ["prediction", "as_of", "features"])
def test_a_join_key_that_is_another_field_of_an_answer_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        EntitySchemas.of(name)
