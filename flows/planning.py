"""What happens before a run of the monitor: the request is resolved to a plan, and places for its results are made.

Nothing here imports Prefect, so that the command line can find out what is wrong before anything slow starts.
"""

from driftgate.database import create_tables
from driftgate.features.repository import require_repository
from driftgate.files import require_writable
from driftgate.monitors import Monitor, read_monitor
from driftgate.pairs import chosen_pair
from driftgate.performance.scoring import open_registry
from driftgate.planning import Plan, Request, make_plan
from driftgate.store.history import champion_measured
from flows.runtime.environment import Runtime, feature_worker


def resolve_plan(runtime: Runtime, request: Request) -> Plan:
    """Resolve a request against monitors.toml and the offline store. Only reads.

    Raises:
        UsageError: the request is wrong.
        ConfigurationError: monitors.toml or the Feast repository is missing or wrong.
        UnknownMonthError: a month is not loaded or empty.
        DataError: a month has surplus rows.
        DatabaseError: the database refuses or cannot be reached.
    """
    settings, worker = runtime.settings, feature_worker(runtime.parameters)
    monitor = read_monitor(settings.driftgate_monitors, request.monitor).with_threshold(request.threshold)
    repo = runtime.repository(monitor)
    require_repository(repo)
    months = worker.loaded_months(repo, monitor)
    ref, cur = (
        worker.measure_month(repo, monitor, month)
        for month in chosen_pair(months, request.as_of_ref, request.as_of_cur)
    )
    return make_plan(monitor, repo, months, ref, cur, settings.report_dir)


def prepare(runtime: Runtime, plan: Plan) -> None:
    """Make the folder of the reports and the tables of the results where they are missing; safe to repeat.

    Raises:
        ConfigurationError: as `require_model`.
        OutputError: the report folder is not writable.
        DatabaseError: the role may not create the tables, or the database cannot be reached.
    """
    require_writable(plan.paths.html.parent)
    create_tables(runtime.engine)
    require_model(runtime, plan.monitor)


def require_model(runtime: Runtime, monitor: Monitor) -> None:
    """Check, before anything is measured, that the model which a monitor names has a champion or was never trained.

    Raises:
        ConfigurationError: a probe would stand in for a champion that there should be.
        DatabaseError: the database refuses or cannot be reached.
    """
    registry = open_registry(runtime.parameters, runtime.settings.mlflow_artifacts, monitor)
    if registry is not None:
        registry.require_champion_or_untrained(monitor.name, champion_measured(runtime.engine, monitor.name))
