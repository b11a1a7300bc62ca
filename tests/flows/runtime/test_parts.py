"""Which parts `driftgate up` has, on which ports, and when each is ready."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from driftgate.database import ConnectionParameters
from driftgate.errors import ConfigurationError, UsageError
from driftgate.settings import PortSettings, Settings
from flows.runtime.local_server import free_port
from flows.runtime.parts import NAMES, choose_parts, make_parts, require_ports, why_no_champion
from tests.receiver import receiving


def test_a_worker_brings_its_server_unless_there_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert choose_parts(["worker"]) == ("prefect", "worker")
    assert choose_parts([" mlflow", "pages"]) == ("pages", "mlflow")
    assert choose_parts() == NAMES
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect:4200/api")
    assert choose_parts(["worker"]) == ("worker",)
    with pytest.raises(UsageError, match="there is no part grafana"):
        choose_parts(["pages", "grafana"])
    with pytest.raises(UsageError, match="no part is named"):
        choose_parts([""])


def test_two_parts_on_one_port_are_refused(
    environment: object, loaded: ConnectionParameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server of other tests, whose address would leave none to start.
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    port = free_port()
    ports = PortSettings(api_port=port, ui_port=port, pages_port=free_port())
    parts = make_parts(Settings.load(), ports, loaded)
    with pytest.raises(ConfigurationError, match=f"Prefect and Predictions both have port {port}"):
        require_ports([parts["prefect"], parts["api"], parts["pages"]])


def test_parts_keep_one_pool_of_freed_memory_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    nowhere = ConnectionParameters("", 0, "", "", "")
    for given, expected in ((None, "1"), ("4", "4")):
        if given:
            monkeypatch.setenv("MALLOC_ARENA_MAX", given)
        else:
            monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
        parts = make_parts(Settings.load(), PortSettings(), nowhere)
        found = {name: part.environment.get("MALLOC_ARENA_MAX") for name, part in parts.items()}
        assert found == dict.fromkeys(set(NAMES) - {"pages"}, expected) | {"pages": None}


def test_a_port_out_of_range_is_an_error_that_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTGATE_UI_PORT", "99999")
    with pytest.raises(ConfigurationError, match="DRIFTGATE_UI_PORT"):
        PortSettings.load()


def test_a_worker_is_there_once_the_server_has_heard_of_it_just_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "me:secret")
    nowhere = ConnectionParameters("", 0, "", "", "")
    with receiving() as server:
        ports = PortSettings(ui_port=server.port)
        worker = make_parts(Settings.load(), ports, nowhere)["worker"]
        server.answer = b"[]"
        assert not worker.ready()
        for seconds, there in ((60, False), (1, True)):
            heard = datetime.now(UTC) - timedelta(seconds=seconds)
            server.answer = json.dumps([{"last_heartbeat_time": heard.isoformat()}]).encode()
            assert worker.ready() == there
        server.status = 401
        assert not worker.ready()
        # A server may ask for a login.
        assert set(server.logins) == {"Basic bWU6c2VjcmV0"}
        assert set(server.paths) == {"/api/work_pools/driftgate/workers/filter"}


def test_the_service_waits_for_a_champion(
    environment: dict[str, str], loaded: ConnectionParameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from driftgate.database import connect

    monkeypatch.delenv("API_MONITOR", raising=False)
    settings = Settings.load()
    assert why_no_champion(settings, loaded).startswith("there is no champion")
    with connect(loaded).begin() as connection:
        # As MLflow keeps an alias.
        connection.exec_driver_sql("CREATE SCHEMA mlflow")
        connection.exec_driver_sql(
            "CREATE TABLE mlflow.registered_model_aliases AS SELECT 'default' AS workspace, "
            "'streamflow_churn' AS name, 'champion' AS alias, 1 AS version"
        )
    assert why_no_champion(settings, loaded) == ""
    monkeypatch.setenv("API_MONITOR", "other")
    assert why_no_champion(settings, loaded) == "there is no monitor 'other' with a model"


def test_of_several_models_one_must_be_named(
    environment: object, loaded: ConnectionParameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("API_MONITOR", raising=False)
    one = '[{0}]\nfeature_service = "s"\nmodel = "{0}"\n[{0}.entity]\nsource = "e"\nkey = "k"\n'
    path = tmp_path / "monitors.toml"
    path.write_text(one.format("one") + one.format("two"))
    settings = Settings.load().model_copy(update={"driftgate_monitors": path})
    assert why_no_champion(settings, loaded) == "API_MONITOR does not say which to serve: one, two"
    path.write_text(one.format("one").replace('model = "one"', ""))
    assert why_no_champion(settings, loaded) == "no monitor has a model"
