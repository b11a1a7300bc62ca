"""Of MLflow's routes those alone that show what was trained."""

from itertools import product

import pytest

from services.mlflow.read_only import is_shown

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/static-files/static/js/main.js"),
        ("GET", "/ajax-api/2.0/mlflow/runs/get"),
        ("POST", "/ajax-api/2.0/mlflow/runs/search"),
        ("POST", "/api/2.0/mlflow/experiments/search"),
        ("GET", "/ajax-api/2.0/mlflow/registered-models/search"),
        ("POST", "/graphql"),
    ],
)
def test_what_its_pages_ask_is_answered(method: str, path: str) -> None:
    assert is_shown(method, path)


@pytest.mark.parametrize(
    "path",
    [
        "/ajax-api/3.0/mlflow/assistant/config",
        "/ajax-api/3.0/mlflow/assistant/message",
        "/ajax-api/2.0/mlflow/upload-artifact",
        "/ajax-api/2.0/mlflow/gateway-proxy",
        "/ajax-api/2.0/mlflow/runs/search/../create",
        "/ajax-api/2.0/mlflow/logged-models",
        "/static-files/../../etc/passwd",
        "/get-artifact",
        "/model-versions/get-artifact",
        "/v1/traces",
        "/docs",
        "//",
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_all_else_is_refused(method: str, path: str) -> None:
    assert not is_shown(method, path)


def test_of_all_routes_of_mlflow_so_many_are_left() -> None:
    """A release that adds a route adds none here; a name that is no route any more is found here too."""
    from mlflow.server import app

    shown = {
        (method, rule.rule)
        for rule, method in product(app.url_map.iter_rules(), METHODS)
        if method in (rule.methods or ()) and is_shown(method, rule.rule.replace("<path:path>", "x"))
    }
    writes = {(method, path) for method, path in shown if method not in ("GET", "HEAD")}
    assert len({path for _, path in writes if path.startswith("/ajax-api/")}) == 7 and ("POST", "/graphql") in writes
    assert len({path for method, path in shown if method == "GET" and path.startswith("/ajax-api/")}) == 15
    words = (
        "create",
        "delete",
        "update",
        "upload",
        "presigned",
        "gateway",
        "assistant",
        "invoke",
        "get-artifact",
        "jobs",
    )
    assert not [path for _, path in shown for word in words if word in path]
