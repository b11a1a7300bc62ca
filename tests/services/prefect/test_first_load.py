"""The first start of the stack: what is loaded into an empty database, and which models are trained."""

import importlib.util
from datetime import date
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from driftgate.database import ConnectionParameters, connect
from driftgate.errors import ConfigurationError
from driftgate.snapshots import ingest_month
from streamflow.source_tables import SOURCE_TABLES
from tests.conftest import ROOT, user_environment
from tests.snapshots.months import write_month_folder

JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)
# By its table, as no repository is applied.
MONITOR = """
[{name}]
feature_service = "s"
{model}
entity = {{table = "{table}", key = "user_id", timestamp = "as_of"}}
"""
CHURN = MONITOR.format(name="churn", model='model = "churn"', table="subscriptions_profile_snapshots")


class Kept:
    """Prefect's variables."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def set(self, name: str, value: str, overwrite: bool) -> None:
        assert overwrite
        self.values[name] = value


@pytest.fixture
def first_load(prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, which applies no repository."""
    path = ROOT / "services" / "prefect" / "first_load.py"
    spec = importlib.util.spec_from_file_location("first_load", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "Variable", Kept())
    monkeypatch.setattr(module, "ensure_applied", lambda *_: True)
    return module


@pytest.fixture
def called(
    first_load: ModuleType, parameters: ConnectionParameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[list[str]]:
    """The commands that are called on an empty database; `load` loads two tiny months."""
    for name, value in user_environment(parameters, tmp_path).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "churn.toml").write_text(CHURN)
    monkeypatch.setenv("DRIFTGATE_MONITORS", str(tmp_path / "churn.toml"))
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        commands.append(command)
        if command[1] == "load":
            engine = connect(parameters)
            for day in (FEBRUARY, JANUARY):
                ingest_month(engine, SOURCE_TABLES, write_month_folder(tmp_path / "months" / str(day)), day)
            engine.dispose()
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(first_load.subprocess, "run", run)
    return commands


def test_an_empty_database_gets_months_and_a_model_once(first_load: ModuleType, called: list[list[str]]) -> None:
    first_load.main()
    assert [command[1] for command in called] == ["sample", "load", "train"]
    assert called[2] == ["driftgate", "train", "--as-of", "2024-01-31", "--monitor", "churn"]
    first_load.main()
    assert len(called) == 3


def test_months_that_are_there_are_left_alone(first_load: ModuleType, called: list[list[str]]) -> None:
    first_load.subprocess.run(["driftgate", "load"])
    called.clear()
    first_load.main()
    assert called == []


def test_each_monitor_with_a_model_and_months_gets_one(
    first_load: ModuleType, called: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "monitors.toml").write_text(
        CHURN
        + MONITOR.format(name="usage", model='model = "usage"', table="usage_agg_30d_snapshots")
        + MONITOR.format(name="no_model", model="", table="usage_agg_30d_snapshots")
        + MONITOR.format(name="no_table", model='model = "other"', table="elsewhere")
    )
    monkeypatch.setenv("DRIFTGATE_MONITORS", str(tmp_path / "monitors.toml"))
    first_load.main()
    assert [command[-1] for command in called if command[1] == "train"] == ["churn", "usage"]


def test_monitors_that_cannot_be_read_stop_it_before_anything_is_loaded(
    first_load: ModuleType, called: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTGATE_MONITORS", str(tmp_path / "absent.toml"))
    with pytest.raises(ConfigurationError, match="no monitors file"):
        first_load.main()
    assert called == [] and first_load.Variable.values == {}
