"""The tables of docs/reference say what the code does."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
import typer
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from sqlalchemy import Table

from driftgate import errors
from driftgate.backtest.policies import PolicyName
from driftgate.decision import History, PastDecision
from driftgate.drift import methods as choosing
from driftgate.drift.past import Explained, Known
from driftgate.drift.result import ColumnState
from driftgate.features.skew import Mismatch, Served, Skew, SkewState, SourceSkew
from driftgate.measures import MEASURES, Drop, LabelKind
from driftgate.methods import METHODS
from driftgate.monitors import ColumnRule, EntitySource, Label, Monitor
from driftgate.performance.result import FeatureAuc, NoEstimate, PerformanceState
from driftgate.predictions.log import prediction_monitoring, predictions
from driftgate.pushgateway import METRICS
from driftgate.reports.backtest_text import backtest_document
from driftgate.reports.documents import batch_document, training_document
from driftgate.reports.skew import skew_document
from driftgate.reports.terminal import months_document, runs_document
from driftgate.settings import DatabaseSettings, PortSettings, Settings
from driftgate.store.decisions import monitor_decisions
from driftgate.store.record import RunRecord, record_text
from driftgate.store.tables import monitor_columns, monitor_runs
from driftgate.supervision.state import PartState, PartStatus, UpStatus
from flows.cli.app import app
from services.api import schemas
from services.api.routes import keyed_routes, open_routes
from services.api.settings import MAX_BATCH, ApiSettings
from tests.architecture.markdown import ROOT, code_blocks, section, table, text_of
from tests.reports.backtests import DAYS, replayed
from tests.reports.runs import CLASS_TARGET, COSTS, PERMUTED, SCORE_BINS, SEGMENTS, checked, column, finished, measured
from tests.reports.trainings import BATCH, SUMMARY, TRAINED

CHURN = schemas.EntitySchemas.of("user_id")
KEYED = keyed_routes("user_id")

REFERENCE = "docs/reference"
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BaseException)]


def test_the_index_names_every_page() -> None:
    pages = {path.name for path in (ROOT / REFERENCE).glob("*.md")} - {"README.md"}
    assert set(re.findall(r"^\| \[(.+?)\]\(\1\) \|", text_of(f"{REFERENCE}/README.md"), re.MULTILINE)) == pages


# ---- monitors.toml


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Keys of a monitor", Monitor),
        ("Keys of `entity`", EntitySource),
        ("Keys of `label`", Label),
        ("Keys of `columns`", ColumnRule),
    ],
)
def test_every_key_of_monitors_toml_is_there_with_its_default(heading: str, model: type[BaseModel]) -> None:
    keys = {name: field for name, field in model.model_fields.items() if (model, name) != (Monitor, "name")}
    documented = table(f"{REFERENCE}/monitors.md", heading)
    assert set(documented) == set(keys)
    for name, field in keys.items():
        assert documented[name][1] == default_of(field), name


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default in (None, {}, []):
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_the_example_of_monitors_toml_is_accepted() -> None:
    import tomllib

    (example,) = code_blocks(text_of(f"{REFERENCE}/monitors.md"), "toml")
    for name, content in tomllib.loads(example).items():
        Monitor.model_validate({**content, "name": name})


# ---- drift methods


def test_every_method_is_there_with_its_kinds_direction_and_threshold() -> None:
    documented = table(f"{REFERENCE}/methods.md", "Methods")
    assert list(documented) == list(METHODS)
    for method in METHODS.values():
        score = "p-value" if method.p_value else "distance"
        assert documented[method.name] == [", ".join(method.kinds), score, str(method.default_threshold)]


def test_the_choice_of_a_method_is_the_one_in_the_table() -> None:
    from driftgate.features.types import Kind

    documented = table(f"{REFERENCE}/methods.md", "Which method compares a feature")
    few = choosing.FEW_DISTINCT_VALUES
    by_category = f"categories, booleans, numbers with at most {few} distinct values"
    assert documented == {
        "numbers": [choosing.choose_method("any", Kind.NUMERIC, few + 1, None)[0]],
        by_category: [choosing.choose_method("any", Kind.CATEGORICAL, 2, None)[0]],
    }
    assert choosing.choose_method("any", Kind.NUMERIC, few, None)[0] == documented[by_category][0]


def test_every_state_of_a_column_is_there() -> None:
    assert set(table(f"{REFERENCE}/methods.md", "States of a column")) == set(ColumnState)


def test_the_dashboard_takes_the_same_methods_for_p_values() -> None:
    lists = re.findall(r"method IN \(([^)]*)\)", text_of("services/grafana/provisioning/dashboards/json/drift.json"))
    assert lists
    for names in lists:
        assert set(re.findall(r"'(\w+)'", names)) == {method.name for method in METHODS.values() if method.p_value}


# ---- environment variables


def test_every_setting_is_there_with_its_default() -> None:
    documented = table(f"{REFERENCE}/settings.md", "Of the commands")
    fields = {
        **{f"POSTGRES_{name}".upper(): field for name, field in DatabaseSettings.model_fields.items()},
        **{name.upper(): field for name, field in Settings.model_fields.items() if name != "database"},
    }
    assert set(documented) == set(fields)
    for name, field in fields.items():
        empty = field.default is None or field.default == SecretStr("")
        if not empty:
            assert documented[name][1] == str(field.default), name
        assert field.description


def test_every_port_of_up_is_there_with_its_default() -> None:
    documented = table(f"{REFERENCE}/settings.md", "Of `driftgate up`")
    defaults = {f"DRIFTGATE_{name}".upper(): str(field.default) for name, field in PortSettings.model_fields.items()}
    assert {name: default for name, (_, default) in documented.items()} == defaults


def test_every_setting_of_the_service_is_there_with_its_default() -> None:
    documented = table(f"{REFERENCE}/settings.md", "Of the prediction service")
    assert set(documented) == {f"API_{name}".upper() for name in ApiSettings.model_fields}
    for name, field in ApiSettings.model_fields.items():
        assert documented[f"API_{name}".upper()][1] == ("" if field.default is None else str(field.default)), name


def test_every_variable_of_the_compose_stack_is_there_with_its_default() -> None:
    defaults = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text_of(".env.example"), re.MULTILINE))
    elsewhere = {"POSTGRES_USER", "POSTGRES_DB", "API_KEY", "DRIFTGATE_HOSTS"}
    documented = table(f"{REFERENCE}/settings.md", "Of the compose stack")
    assert set(documented) == set(defaults) - elsewhere
    for name, (_, default) in documented.items():
        assert default == defaults[name].strip("'"), name


# ---- commands


def test_every_command_is_there_with_its_options() -> None:
    documented = table(f"{REFERENCE}/commands.md", "Commands")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(documented) == {f"driftgate {name}" for name in commands}
    for name, command in commands.items():
        options = [option for item in command.params for option in usage_of(item)]
        if name != "feast":
            assert documented[f"driftgate {name}"][1] == ", ".join(sorted(options, key=lambda o: o[0] == "-")), name


def usage_of(item: Any) -> list[str]:
    if item.param_type_name == "option":
        return list(item.opts)
    name = item.name.upper()
    return [name if item.required else f"[{name}]"]


def test_every_exit_status_is_there() -> None:
    statuses = {"0", "130", "141"} | {str(kind.exit_code) for kind in KINDS}
    assert set(table(f"{REFERENCE}/commands.md", "Exit status")) == statuses


def test_the_error_tree_names_every_kind_and_its_status() -> None:
    for kind in KINDS:
        if kind is not errors.DriftgateError:
            assert re.search(rf"{kind.__name__} +{kind.exit_code} ", errors.__doc__ or ""), kind


# ---- what a run leaves


def fields(value: Any, at: str = "") -> set[str]:
    """The paths of all values; `[]` for the items of a list, `*` for the keys of a mapping by measure."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return set().union(*(fields(item, f"{at}[]") for item in value))
    if isinstance(value, dict):
        keys = {key: "*" if at == "performance.measures" else key for key in value}
        return set().union(*(fields(item, f"{at}.{keys[key]}".lstrip(".")) for key, item in value.items()))
    return {at}


def test_every_field_of_the_record_is_there() -> None:
    performance = replace(
        measured(0.8, 0.6),
        relations=(FeatureAuc("f00", 0.6, 0.5),),
        segments=SEGMENTS,
        feature_costs=COSTS,
        score_bins=SCORE_BINS,
    )
    earlier = (PastDecision(datetime(2024, 3, 1, tzinfo=UTC), "NO_ACTION", None, (), False),)
    season = History(explained=(Explained("drift_share", Known.SEASONAL, "as a year before"),))
    moved = (column("f00", 0.5), column("f01"))
    run = replace(
        finished(*moved, performance=performance, prediction=column("prediction"), history=season, target=CLASS_TARGET),
        earlier=earlier,
        skew=checked(PERMUTED),
    )
    record = json.loads(record_text(run))
    # Of these two the page names the whole alone.
    whole = {"prediction", "inputs.label"}
    found = {next((name for name in whole if path.startswith(f"{name}.")), path) for path in fields(record)}
    assert set(table(f"{REFERENCE}/record.md", "Fields")) == found


def test_every_field_of_what_commands_print_is_there() -> None:
    part = PartStatus("pages", "", "", PartState.RUNNING, "", "", 1, 0, "", "")
    status = json.loads(json.dumps({"up": True, **UpStatus(1, 0.0, "", "", "", False, (part,)).content()}))
    documents = {
        "runs": json.loads(runs_document("churn", [RunRecord.of(finished())])) | {"runs": []},
        "months": json.loads(months_document("churn", [date(2024, 1, 31)])),
    }
    assert set(table(f"{REFERENCE}/json.md", "status")) == fields(status)
    for name, document in documents.items():
        lists = {f"{path}[]" if isinstance(document[path], list) else path for path in document}
        assert set(table(f"{REFERENCE}/json.md", name)) == lists
    trained = fields(json.loads(training_document(TRAINED)))
    documented = {name.removesuffix("[]") for name in table(f"{REFERENCE}/json.md", "train")}
    assert documented == {"metrics.*" if name.startswith("metrics.") else name for name in trained}
    assert set(table(f"{REFERENCE}/json.md", "predict")) == fields(json.loads(batch_document(BATCH, SUMMARY)))
    rows = re.findall(r"^\| `label_kind`.*", text_of(f"{REFERENCE}/json.md"), re.MULTILINE)
    kinds = [set(re.findall(r"`(\w+)`", row)) for row in rows]
    assert kinds == [{"label_kind", *LabelKind}] * 2
    skew = Skew("churn", date(2024, 1, 31), 1, 0.0, (SourceSkew(Served.LOG, 1, mismatches=(Mismatch("f", 1, ()),)),))
    documented = {name.removesuffix("[]") for name in table(f"{REFERENCE}/json.md", "skew")}
    assert documented == fields(json.loads(skew_document(skew)))
    backtest = json.loads(backtest_document(replayed(left_out={DAYS[-1]: "no labels"})))
    assert {name.removesuffix("[]") for name in table(f"{REFERENCE}/json.md", "backtest")} == fields(backtest)
    (names,) = re.findall(r"^\| `policies\[\]\.policy`.*", section(f"{REFERENCE}/json.md", "backtest"), re.MULTILINE)
    assert set(re.findall(r"`([a-z ]+)`", names)) == set(PolicyName)
    (states,) = re.findall(r"^\| `parts\[\]\.state`.*", section(f"{REFERENCE}/json.md", "status"), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", states)) == set(PartState)


def test_every_measure_is_there_with_its_drop() -> None:
    words = {
        Drop.DIFFERENCE: "reference minus current",
        Drop.RELATIVE: "rise in parts of the reference",
        Drop.NONE: "none",
    }
    documented = table(f"{REFERENCE}/measures.md", "Measures")
    assert list(documented) == list(MEASURES)
    for name, measure in MEASURES.items():
        assert documented[name][:2] == [", ".join(measure.kinds), words[measure.drop]]


def test_the_states_and_measures_of_the_record_are_there() -> None:
    from driftgate.decision import HeldBack, Verdict

    words = set(re.findall(r"`([^`]+)`", section(f"{REFERENCE}/record.md", "Fields")))
    assert {*MEASURES, *PerformanceState, *NoEstimate, *HeldBack, *Verdict, *SkewState, *Served} <= words


@pytest.mark.parametrize(
    "stored",
    [monitor_runs, monitor_columns, monitor_decisions, predictions, prediction_monitoring],
    ids=lambda stored: stored.name,
)
def test_every_column_of_a_table_is_there(stored: Table) -> None:
    assert list(table(f"{REFERENCE}/tables.md", stored.name)) == [item.name for item in stored.columns]


def test_every_table_of_the_dashboards_is_there() -> None:
    from services.database.roles import READABLE

    assert set(re.findall(r"^## (\w+)$", text_of(f"{REFERENCE}/tables.md"), re.MULTILINE)) == set(READABLE)


def test_every_metric_is_there() -> None:
    service = text_of("services/api/metrics.py")
    mock = text_of("services/modelmock/modelmock.py")
    names = {*METRICS, *re.findall(r"\bapi_[a-z_]+", service), *re.findall(r"\bmodel_result\b", mock)}
    documented = re.findall(r"^\| `(\w+)` \|", text_of(f"{REFERENCE}/metrics.md"), re.MULTILINE)
    assert sorted(documented) == sorted(names)


# ---- HTTP


def test_every_route_is_there_with_its_errors() -> None:
    documented_routes = table(f"{REFERENCE}/http.md", "Routes")
    routes: list[Any] = [*open_routes.routes, *KEYED.routes]
    assert set(documented_routes) == {f"{method} {route.path}" for route in routes for method in route.methods}
    for route in routes:
        (method,) = route.methods
        faults = sorted(int(status) for status in route.responses if int(status) >= 400)
        assert documented_routes[f"{method} {route.path}"][1] == ", ".join(map(str, faults)), route.path
    assert f"up to {MAX_BATCH} entities" in documented_routes["POST /predict/batch"][0]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("predict", CHURN.request),
        ("prediction", CHURN.answer),
        ("batch", CHURN.batch_request),
        ("predictions", CHURN.batch_answer),
        ("features", CHURN.features_answer),
        ("ready", schemas.ReadyAnswer),
    ],
)
def test_the_examples_are_what_the_service_takes_and_gives(name: str, model: type[BaseModel]) -> None:
    (example,) = code_blocks(text_of(f"{REFERENCE}/http.md"), f"json {name}")
    content: Mapping[str, Any] = json.loads(example)
    model.model_validate(content)
    assert set(content) == {field.alias or name for name, field in model.model_fields.items()}


def test_every_status_of_an_error_is_there() -> None:
    statuses = {status for route in KEYED.routes for status in route.responses}  # type: ignore[attr-defined]
    assert set(table(f"{REFERENCE}/http.md", "Errors")) == {str(status) for status in statuses} | {"421", "500"}


# ---- Prefect


@pytest.mark.usefixtures("prefect_api")
def test_every_deployment_is_there_with_its_schedule() -> None:
    from flows.deploy import DEPLOYMENTS

    assert table(f"{REFERENCE}/prefect.md", "Deployments") == {
        f"{item.flow.name}/{item.name}": [item.cron or "", item.about] for item in DEPLOYMENTS
    }


def test_every_event_is_there() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "flows").rglob("*.py"))
    events = set(re.findall(r'"(driftgate\.decision\.\w+)"', sources))
    assert events
    assert set(table(f"{REFERENCE}/prefect.md", "Events")) == events


# ---- pages


def test_every_file_of_a_pair_is_there() -> None:
    from dataclasses import fields

    run = finished()
    pair = f"{run.drift.as_of_ref}_vs_{run.drift.as_of_cur}"
    names = {getattr(run.paths, field.name).name.replace(pair, "{pair}") for field in fields(run.paths)}
    assert set(table(f"{REFERENCE}/pages.md", "Files of a pair")) == names


def test_every_page_over_all_pairs_is_there() -> None:
    from driftgate.reports.index import INDEX, MONITOR

    assert set(table(f"{REFERENCE}/pages.md", "Pages over all pairs")) == {INDEX, MONITOR}


def test_every_answer_is_there_with_its_word() -> None:
    from driftgate.reports.sentences import Tone, action, tone
    from tests.reports.test_sentences import STATES

    documented = table(f"{REFERENCE}/pages.md", "Answers")
    assert set(documented) == set(Tone)
    for record, *_ in STATES.values():
        assert f"*{action(record)}*" in documented[tone(record)][0]
