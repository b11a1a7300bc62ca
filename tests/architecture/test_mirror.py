"""Every module has a test file of its name, or an entry here that says which one holds it, and why."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("driftgate", "flows", "services", "streamflow")

HELD = {
    # The inside of something that is tested as a whole.
    "driftgate/backtest/kept.py": "tests/backtest/test_evidence.py",
    "driftgate/database/configured.py": "tests/database/test_embedded.py",
    "driftgate/database/keeper.py": "tests/database/test_embedded.py",
    "driftgate/database/migrations/env.py": "tests/database/test_schema.py",
    "driftgate/database/migrations/versions/v0001_first_tables.py": "tests/database/test_schema.py",
    "driftgate/database/migrations/versions/v0002_estimate_and_waiting.py": "tests/database/test_schema.py",
    "driftgate/database/migrations/versions/v0003_skew_checks.py": "tests/database/test_schema.py",
    "driftgate/database/migrations/versions/v0004_chance_of_missing_values.py": "tests/database/test_schema.py",
    "driftgate/database/migrations/versions/v0005_unfinished_loads.py": "tests/database/test_schema.py",
    "driftgate/drift/tables.py": "tests/test_library.py",
    "driftgate/drift/worker.py": "tests/reports/test_html_in_browser.py",
    "driftgate/features/answers.py": "tests/features/test_worker.py",
    "driftgate/features/described.py": "tests/features/test_description.py",
    "driftgate/features/engines/engine.py": "tests/features/engines/test_rules.py",
    "driftgate/features/engines/spark.py": "tests/features/engines/test_rules.py",
    "driftgate/features/inspection.py": "tests/features/test_proposal.py",
    "driftgate/features/online_adapter.py": "tests/features/test_online.py",
    "driftgate/features/online_store.py": "tests/features/test_online.py",
    "driftgate/features/sources.py": "tests/features/test_description.py",
    "driftgate/methods.py": "tests/drift/test_methods.py",
    "driftgate/performance/tables.py": "tests/test_library.py",
    "driftgate/predictions/skew.py": "tests/flows/test_skew_flow.py",
    "driftgate/reports/skew.py": "tests/flows/test_skew_flow.py",
    "driftgate/reports/workspace_panels.py": "tests/reports/test_workspace.py",
    "driftgate/snapshots/loaded.py": "tests/snapshots/test_tables.py",
    "driftgate/supervision/guard.py": "tests/supervision/test_supervisor.py",
    "driftgate/supervision/part.py": "tests/supervision/test_supervisor.py",
    "driftgate/supervision/running.py": "tests/supervision/test_supervisor.py",
    "driftgate/training/encoder.py": "tests/training/test_pipeline.py",
    "driftgate/training/fit.py": "tests/training/test_dataset.py",
    "driftgate/training/model.py": "tests/training/test_pipeline.py",
    "driftgate/training/registry/artifacts.py": "tests/training/registry/test_models.py",
    "driftgate/training/registry/mlflow_adapter.py": "tests/training/registry/test_models.py",
    "driftgate/training/registry/mlflow_errors.py": "tests/training/registry/test_models.py",
    "driftgate/training/registry/mlflow_tables.py": "tests/training/registry/test_models.py",
    "driftgate/worker.py": "tests/features/test_worker.py",
    # Commands and flows, by what they print and leave behind.
    "flows/backtest.py": "tests/flows/cli/test_history.py",
    "flows/cli/backtest.py": "tests/flows/cli/test_history.py",
    "flows/cli/models.py": "tests/flows/test_train_flow.py",
    "flows/cli/retraining.py": "tests/flows/cli/test_history.py",
    "flows/cli/serving.py": "tests/services/api/test_server.py",
    "flows/cli/stack.py": "tests/flows/runtime/test_up.py",
    "flows/demo.py": "tests/end_to_end/test_loop.py",
    "flows/judging.py": "tests/flows/test_monitor.py",
    "flows/monitor_flow.py": "tests/flows/cli/test_app.py",
    "flows/monitor_steps.py": "tests/flows/test_monitor.py",
    "flows/retrain_flow.py": "tests/end_to_end/test_loop.py",
    "flows/runtime/environment.py": "tests/features/test_worker.py",
    "flows/runtime/lending.py": "tests/flows/runtime/test_up.py",
    "flows/runtime/prefect_server.py": "tests/flows/runtime/test_up.py",
    "flows/runtime/steps.py": "tests/flows/test_monitor.py",
    "flows/worked_case.py": "tests/architecture/test_worked_case.py",
    # The service as its callers see it, and the start of containers.
    "services/api/app.py": "tests/services/api/test_service.py",
    "services/api/champion.py": "tests/services/api/test_service.py",
    "services/api/edge.py": "tests/services/api/test_routes.py",
    "services/api/scoring.py": "tests/services/api/test_routes.py",
    "services/api/settings.py": "tests/architecture/test_reference.py",
    "services/locust/users.py": "tests/services/locust/test_locustfile.py",
    "services/prefect/prefect_database.py": "tests/services/database/test_roles.py",
    "services/prefect/reports_init.py": "tests/services/test_compose.py",
    # What the sample months are made of.
    "streamflow/sample_model.py": "tests/streamflow/test_sample.py",
    "streamflow/sample_regimes.py": "tests/streamflow/test_sample.py",
    "streamflow/source_tables.py": "tests/streamflow/test_sample.py",
}


def own_test(module: Path) -> Path:
    """Where the test of a module would be: the tree of the library is that of the tests."""
    inside = module.relative_to("driftgate") if module.parts[0] == "driftgate" else module
    return Path("tests") / inside.parent / f"test_{inside.name}"


MODULES = sorted(
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_has_a_test_of_its_name_or_an_entry(module: Path) -> None:
    own, held = own_test(module), HELD.get(module.as_posix())
    if (ROOT / own).is_file():
        assert held is None, f"{own} is there: take the entry out"
    else:
        assert held is not None, f"write {own}, or give {module} an entry in HELD"
        assert (ROOT / held).is_file(), f"{held}, which holds {module}, is gone"


def test_every_entry_is_of_a_module_that_is_there() -> None:
    assert sorted(set(HELD) - {module.as_posix() for module in MODULES}) == []
