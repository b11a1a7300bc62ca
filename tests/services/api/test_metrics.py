"""Every request is counted and timed, whatever became of it, under labels that cannot grow."""

from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.services.api.conftest import MODEL, Month

Serve = Callable[..., httpx.Client]
Sample = tuple[str, tuple[tuple[str, str], ...]]


def scrape(client: httpx.Client) -> dict[Sample, float]:
    """Every sample by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def labels(route: str, method: str, status: int) -> tuple[tuple[str, str], ...]:
    return (("method", method), ("route", route), ("status", str(status)))


def test_requests_are_counted_and_timed_on_every_path(serve: Serve, month: Month) -> None:
    client = serve(key="k")
    ours = {"X-API-Key": "k"}
    user = month.users[0]
    before = scrape(client)
    for _ in range(3):
        client.post("/predict", json={"user_id": user}, headers=ours)
    client.post("/predict/batch", json={"user_ids": month.users[:7]}, headers=ours)
    client.post("/predict", json={"user_id": "nobody"}, headers=ours)
    client.post("/predict", json={"user_id": user})
    client.post("/predict", content=b"{", headers={**ours, "content-type": "application/json"})
    client.post("/predict", content=b"x" * 300_000, headers={**ours, "content-type": "application/json"})
    client.get(f"/features/{user}", headers=ours)
    client.get("/features/nobody", headers=ours)
    client.delete(f"/features/{user}", headers=ours)
    for path in ("/no", f"/no/{user}", "/predict/"):
        client.get(path)
    client.request("PROPFIND", "/predict")
    client.request("MKCOL", "/no")
    client.get("/docs")
    after = scrape(client)
    expected = {
        labels("/predict", "POST", 200): 3,
        labels("/predict/batch", "POST", 200): 1,
        labels("/predict", "POST", 404): 1,
        labels("/predict", "POST", 401): 1,
        labels("/predict", "POST", 422): 1,
        labels("/predict", "POST", 413): 1,
        labels("/features/{user_id}", "GET", 200): 1,
        labels("/features/{user_id}", "GET", 404): 1,
        labels("/features/{user_id}", "DELETE", 405): 1,
        labels("unmatched", "GET", 404): 3,
        labels("/predict", "OTHER", 405): 1,
        labels("unmatched", "OTHER", 404): 1,
        labels("/docs", "GET", 200): 1,
        labels("/metrics", "GET", 200): 1,
    }

    def grown(name: str) -> dict[tuple[tuple[str, str], ...], float]:
        found = {where: value - before.get((kind, where), 0) for (kind, where), value in after.items() if kind == name}
        return {where: value for where, value in found.items() if value}

    assert grown("api_requests_total") == expected
    assert grown("api_request_latency_seconds_count") == expected
    assert all(value > 0 for value in grown("api_request_latency_seconds_sum").values())
    assert sum(grown("api_predictions_total").values()) == 10
    assert {where[0] for where in grown("api_predictions_total")} == {("model_version", "1")}
    assert {dict(where)["prediction"] for where in grown("api_predictions_total")} <= {"0", "1"}
    assert grown("api_predicted_probability_count") == {(): 10}
    sums = month.probabilities("1", [user] * 3 + month.users[:7])
    assert abs(grown("api_predicted_probability_sum")[()] - sum(sums)) < 1e-9
    assert after["api_requests_in_flight", ()] == 1
    assert after["api_model_info", (("model", MODEL), ("version", "1"))] == 1
    assert after["api_prediction_log_dropped_total", ()] == 0
    assert grown("api_feature_read_seconds_count")[()] >= 6
    for user in (*month.users[:7], "nobody"):
        assert not any(user in value for _, where in after for _, value in where)


def test_buckets_go_from_a_millisecond_to_ten_seconds(client: httpx.Client) -> None:
    client.get("/health")
    bounds = {
        float(dict(where)["le"])
        for name, where in scrape(client)
        if name == "api_request_latency_seconds_bucket" and dict(where)["route"] == "/health"
    }
    assert min(bounds) == 0.001 and sorted(bounds)[-2] == 10 and sorted(bounds)[-1] == float("inf")


def test_the_process_is_measured_too(client: httpx.Client) -> None:
    names = {name for name, _ in scrape(client)}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"} <= names


def test_every_answer_to_be_expected_is_a_series_before_the_first_request(serve: Serve, month: Month) -> None:
    client = serve()
    seen = scrape(client)
    for route, method, statuses in (
        ("/predict", "POST", (200, 401, 404, 408, 413, 422, 500, 503)),
        ("/predict/batch", "POST", (200, 404, 503)),
        ("/features/{user_id}", "GET", (200, 404, 503)),
        ("/ready", "GET", (503,)),
        ("unmatched", "GET", (404,)),
    ):
        for status in statuses:
            where = labels(route, method, status)
            if (route, status) != ("/ready", 503):
                assert seen["api_requests_total", where] == seen["api_request_latency_seconds_count", where] == 0
            assert ("api_requests_total", where) in seen
    for prediction in "01":
        assert seen["api_predictions_total", (("model_version", "1"), ("prediction", prediction))] == 0
    client.post("/predict", json={"user_id": month.users[0]})
    assert scrape(client)["api_requests_total", labels("/predict", "POST", 200)] == 1
