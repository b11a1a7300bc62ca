"""The README's tables say what the code does."""

import re
from pathlib import Path

import pytest
import typer

from driftgate import errors
from driftgate.drift.result import ColumnState
from driftgate.methods import METHODS
from driftgate.monitors import Monitor
from driftgate.pushgateway import METRICS
from driftgate.settings import DatabaseSettings, Settings
from flows.cli.app import app
from services.api.routes import keyed_routes, open_routes
from services.api.settings import ApiSettings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def table(heading: str) -> dict[str, list[str]]:
    """The first table after a heading, by its first cell; code marks removed."""
    section = README.split(f"## {heading}\n", 1)[1]
    lines = [line for line in section.split("\n## ", 1)[0].splitlines() if line.startswith("|")]
    rows = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows[2:]}


def test_every_setting_is_in_the_table_with_its_default() -> None:
    documented = table("Settings")
    fields = {
        **{f"POSTGRES_{name}".upper(): field for name, field in DatabaseSettings.model_fields.items()},
        **{name.upper(): field for name, field in Settings.model_fields.items() if name != "database"},
    }
    assert set(documented) == set(fields)
    for name, field in fields.items():
        if name not in ("POSTGRES_HOST", "POSTGRES_PASSWORD", "PUSHGATEWAY_URL"):
            assert documented[name][1] == str(field.default), name
        assert field.description


def test_every_setting_of_the_service_is_in_the_table_with_its_default() -> None:
    documented = table("Settings of the service")
    assert set(documented) == {f"API_{name}".upper() for name in ApiSettings.model_fields}
    for name, field in ApiSettings.model_fields.items():
        default = "" if field.default is None else str(field.default)
        assert documented[f"API_{name}".upper()][1] == default, name


def test_every_metric_is_documented() -> None:
    service = (ROOT / "services" / "api" / "metrics.py").read_text()
    mock = (ROOT / "services" / "modelmock" / "modelmock.py").read_text()
    names = {*METRICS, *re.findall(r"\bapi_[a-z_]+", service), *re.findall(r"\bmodel_result\b", mock)}
    documented = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(names)


def test_every_route_is_named() -> None:
    section = README.split("## The model that is watched\n", 1)[1].split("\n## ", 1)[0]
    routes = [route.path for router in (open_routes, keyed_routes("user_id")) for route in router.routes]  # type: ignore[attr-defined]
    assert routes and [path for path in routes if f"`{path}`" not in section] == []


def test_every_monitor_key_is_in_the_table_with_its_default() -> None:
    documented = table("Your own Feast repository")
    fields = {name: field for name, field in Monitor.model_fields.items() if name != "name"}
    assert set(documented) == set(fields)
    for name, field in fields.items():
        default = documented[name][1]
        if field.is_required():
            assert default == "required", name
        elif isinstance(field.default, int | float | str):
            assert default == str(field.default), name


def test_the_list_of_methods_is_the_table_with_the_direction_of_each() -> None:
    section = README.split("Methods:", 1)[1].split("\n\n", 1)[0]
    distances, p_values = section.split("(distances, drift from the threshold on)", 1)
    assert p_values.endswith("(p-values, drift below it).")
    assert re.findall(r"`(\w+)`", distances) == [method.name for method in METHODS.values() if not method.p_value]
    assert re.findall(r"`(\w+)`", p_values) == [method.name for method in METHODS.values() if method.p_value]


def test_the_dashboard_takes_the_same_methods_for_p_values() -> None:
    dashboard = (ROOT / "services/grafana/provisioning/dashboards/json/drift.json").read_text()
    lists = re.findall(r"method IN \(([^)]*)\)", dashboard)
    assert lists
    for names in lists:
        assert set(re.findall(r"'(\w+)'", names)) == {method.name for method in METHODS.values() if method.p_value}


def test_every_state_is_named() -> None:
    for state in ColumnState:
        assert state == ColumnState.COMPARED or f"`{state}`" in README


def test_every_exit_status_is_in_the_table() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BaseException)]
    assert set(table("Exit status")) == {"0", "130"} | {str(kind.exit_code) for kind in kinds}


def test_the_error_tree_names_every_kind_and_its_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BaseException)]
    for kind in kinds:
        if kind is not errors.DriftgateError:
            assert re.search(rf"{kind.__name__} +{kind.exit_code} ", errors.__doc__ or ""), kind


def test_every_command_is_in_the_table() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert set(table("Your own months")) == {f"driftgate {name}" for name in commands}


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name
)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert "://" in target or (path.parent / target).exists(), target


def test_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(makefile.split(".PHONY:", 1)[1].split("\n", 1)[0].split())
    assert phony == set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))
