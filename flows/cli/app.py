"""The command line. Only light imports at the top: help is asked for often, and what is slow starts first."""

import logging
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

import driftgate
from driftgate.errors import ConfigurationError, UsageError
from driftgate.pairs import parse_as_of
from driftgate.process import import_beside, run_program
from flows.cli import backtest as backtest_commands
from flows.cli import documentation as docs_commands
from flows.cli import history as history_commands
from flows.cli import models as model_commands
from flows.cli import profiles as profile_commands
from flows.cli import retraining as retrain_commands
from flows.cli import serving as serve_commands
from flows.cli import stack as stack_commands
from flows.runtime import plain_errors

if TYPE_CHECKING:
    from driftgate.snapshots import IngestReport
_NEED_NONE = frozenset(("docs", "down", "sample", "status"))
_BEGIN = _NEED_NONE | {"apply", "demo", "ingest", "init", "load", "up"}
"""The commands that may be the first ones of a home, or need no database."""

app = typer.Typer(
    help="Has the data under the model moved, and must it be retrained?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for group in (
    model_commands,
    retrain_commands,
    serve_commands,
    history_commands,
    backtest_commands,
    profile_commands,
    stack_commands,
    docs_commands,
):
    app.add_typer(group.commands)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"driftgate {driftgate.__version__}")
        raise typer.Exit


@app.callback()
def _of_all_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end")
    ] = False,
) -> None:
    pass


AsOfRef = Annotated[str | None, typer.Option(help="Month to compare with, YYYY-MM-DD by default the newest but one")]
MonitorName = Annotated[str | None, typer.Option(help="Heading in monitors.toml; by default the only one")]
AsOfCur = Annotated[str | None, typer.Option(help="Month to judge, YYYY-MM-DD by default the newest")]


@app.command()
def monitor(
    as_of_ref: AsOfRef = None,
    as_of_cur: AsOfCur = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Drift share from which to retrain, 0 to 1; the decision becomes the newest of the pair"),
    ] = None,
    monitor: MonitorName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the decision record instead of the lines")] = False,
) -> None:
    """Compare two months and decide whether to retrain."""
    from driftgate.planning import Request
    from flows.planning import prepare, resolve_plan
    from flows.runtime.environment import Runtime, start_workers
    from flows.runtime.local_server import start_prefect

    request = Request(_date(as_of_ref), _date(as_of_cur), threshold, monitor)
    wait_for_prefect = start_prefect()
    runtime = Runtime.from_environment()
    start_workers(runtime)
    # The plan waits for the feature process.
    imported = import_beside("flows.monitor")
    plan = resolve_plan(runtime, request)
    prepare(runtime, plan)
    imported()
    from flows.monitor import monitor_planned

    if plan.monitor.performance != "off":
        # While the flow begins and its labels are read.
        import_beside("driftgate.training.pipeline")

    wait_for_prefect()
    run = monitor_planned(plan)
    from driftgate.reports.text import result_lines
    from driftgate.store.record import record_text

    lines = [record_text(run).rstrip()] if as_json else result_lines(run)
    print(*lines, sep="\n")


@app.command()
def ingest(
    folder: Annotated[Path, typer.Argument(help="Folder of the month's CSV files")],
    as_of: Annotated[str, typer.Option(help="Day on which they were taken, YYYY-MM-DD")],
) -> None:
    """Load one month of source tables; safe to repeat."""
    from driftgate.snapshots.dates import require_possible
    from flows.runtime.environment import Runtime, feature_worker
    from flows.runtime.local_server import start_prefect

    day = parse_as_of(as_of)
    # Before anything slow begins.
    require_possible(day)
    wait_for_prefect = start_prefect()
    feature_worker(Runtime.from_environment().parameters)
    from flows.ingest_flow import ingest_month

    wait_for_prefect()
    _print_loads(ingest_month(folder.resolve(), day))


@app.command()
def load(
    folder: Annotated[Path | None, typer.Argument(help="Folder of month folders; by default DRIFTGATE_DATA")] = None,
) -> None:
    """Load every month folder that is not loaded yet; named like 2024-01-31 or month_000."""
    from flows.runtime.environment import Runtime, feature_worker
    from flows.runtime.local_server import start_prefect

    if folder is not None:
        os.environ["DRIFTGATE_DATA"] = str(folder.resolve())
    wait_for_prefect = start_prefect()
    runtime = Runtime.from_environment()
    from driftgate.features.applying import ensure_applied
    from driftgate.snapshots.loaded import new_months
    from driftgate.snapshots.unfinished import find_unfinished
    from flows.worked_case import SOURCE_TABLES

    unfinished = find_unfinished(runtime.engine)
    new = new_months(runtime.engine, SOURCE_TABLES, runtime.settings.driftgate_data, required=not unfinished)
    if not new and not unfinished:
        ensure_applied(runtime.engine, runtime.parameters, runtime.settings.feast_repo)
        print(f"[Load] every month below {runtime.settings.driftgate_data} is loaded")
        return
    feature_worker(runtime.parameters)
    from flows.ingest_flow import ingest_month

    wait_for_prefect()
    _print_loads(ingest_month())
    if not new:
        print(
            f"[Load] every month below {runtime.settings.driftgate_data} is loaded; a load that was cut off is finished"
        )


@app.command()
def sample(
    out: Annotated[Path, typer.Option(help="Folder to write the months to")],
    months: Annotated[int, typer.Option(help="How many months")] = 3,
    users: Annotated[int, typer.Option(help="Users in each month")] = 7043,
    seed: Annotated[int, typer.Option(help="Same seed, same data")] = 0,
) -> None:
    """Write sample months: the second barely drifts, the third clearly does."""
    from flows.worked_case import write_sample_months

    for month in write_sample_months(out.resolve(), months, users, seed):
        print(f"[Sample] {month.folder} as_of={month.as_of}")


@app.command()
def demo() -> None:
    """Show the whole path on sample months, in the embedded database; safe to repeat."""
    from flows.runtime.environment import Runtime, start_workers
    from flows.runtime.local_server import start_prefect

    os.environ.pop("POSTGRES_HOST", None)
    # The story is what is to be read.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    wait_for_prefect = start_prefect()
    runtime = Runtime.from_environment()
    from flows.worked_case import lay_out_project

    for path in lay_out_project(runtime.settings):
        typer.echo(f"... {path} is written", err=True)
    start_workers(runtime)
    from flows.demo import run_demo

    wait_for_prefect()
    run_demo(runtime)


@app.command()
def init(
    feast_repo: Annotated[Path, typer.Option(help="Folder of the Feast repository, with its feature_store.yaml")],
    out: Annotated[Path, typer.Option(help="File to write; it must not be there")] = Path("monitors.toml"),
) -> None:
    """Write a monitors.toml for a Feast repository: what was found in it, and what there is to decide."""
    from driftgate.features.proposal import monitors_text
    from driftgate.features.repository import require_repository
    from driftgate.features.worker import FeatureWorker
    from driftgate.files import write_atomic
    from flows.runtime.environment import Runtime

    if out.exists():
        raise UsageError(f"{out} is there already", remedy="name another file by --out, or move this one away")
    repo = feast_repo.resolve()
    require_repository(repo)
    # A process of its own: the repository's modules are imported into it.
    with FeatureWorker(Runtime.from_environment().parameters) as worker:
        offer = worker.inspect_repository(repo)
    write_atomic(out.resolve(), monitors_text(offer, out.resolve().parent))
    print(f"[Init] {out} services={len(offer.services)} sources={len(offer.sources)}; look for DECIDE in it")


@app.command()
def months(
    monitor: MonitorName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the lines")] = False,
) -> None:
    """List the months that are loaded, oldest first."""
    from driftgate.monitors import read_monitor
    from driftgate.reports.terminal import months_document
    from flows.runtime.environment import Runtime

    runtime = Runtime.from_environment()
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    found = runtime.months(chosen)
    print(*[months_document(chosen.name, found)] if as_json else found, sep="\n", end="\n" if found or as_json else "")


@app.command()
def apply(
    monitor: Annotated[str | None, typer.Option(help="Monitor whose repository it is; by default the only one")] = None,
) -> None:
    """Apply the Feast repository, also where its files have not changed."""
    from driftgate.features.applying import ensure_applied
    from driftgate.monitors import read_monitor
    from driftgate.snapshots import create_source_tables
    from flows.runtime.environment import Runtime
    from flows.worked_case import SOURCE_TABLES

    runtime = Runtime.from_environment()
    # Feast refuses a repository whose tables are not there, as in a database that nothing was loaded into yet.
    create_source_tables(runtime.engine, SOURCE_TABLES)
    repo = read_monitor(runtime.settings.driftgate_monitors, monitor).feast_repo or runtime.settings.feast_repo
    ensure_applied(runtime.engine, runtime.parameters, repo, force=True)
    print(f"[Feast] applied {repo}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def feast(context: typer.Context) -> None:
    """Run the feast command on the repository, with its environment set: `driftgate feast feature-views list`."""
    from driftgate.features.applying import run_feast
    from flows.runtime.environment import Runtime

    runtime = Runtime.from_environment()
    raise typer.Exit(run_feast(runtime.parameters, runtime.settings.feast_repo, context.args).returncode)


def main(arguments: Sequence[str]) -> NoReturn:
    """Run a command and end the process: 0 for a verdict, else the exit status of the error's family."""
    logging.basicConfig(format="%(asctime)s | %(levelname)-7s | %(name)s - %(message)s", level=logging.WARNING)
    plain_errors.say_once()
    run_program(lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> None:
    _require_text(arguments)
    _require_home(arguments)
    try:
        app(args=list(arguments), prog_name="driftgate")
    except ValueError as error:
        # As pydantic raises it; ours are errors of ours by now, and Prefect reads its own when it is imported.
        if not str(getattr(error, "title", "")).endswith("Settings"):
            raise
        text = " ".join(str(error).split())
        raise ConfigurationError(
            f"Prefect does not take its settings: {text[:400]}",
            remedy="correct the variable that begins with PREFECT_ and has this value, or unset it",
        ) from error


def _require_text(arguments: Sequence[str]) -> None:
    """Check that all arguments are text: neither Prefect nor the database can hold a path of other bytes.

    Raises:
        UsageError: one is not; it is shown with such bytes escaped.
    """
    for word in arguments:
        shown = word.encode(errors="surrogateescape").decode(errors="backslashreplace")
        if shown.encode() != word.encode(errors="surrogateescape"):
            raise UsageError(f"the argument {shown} is not UTF-8", remedy="rename the file or folder")


def _require_home(arguments: Sequence[str]) -> None:
    """Check that a command which begins nothing has a home: else it would make a database where one was mistyped.

    Raises:
        ConfigurationError: DRIFTGATE_HOME names a folder without a database.
    """
    command = next((word for word in arguments if not word.startswith("-")), "")
    if not os.environ.get("DRIFTGATE_HOME") or not command or command in _BEGIN or "--help" in arguments:
        return
    from driftgate.settings import Settings

    settings = Settings.load()
    if settings.database.host is not None or (settings.driftgate_home / "postgres").is_dir():
        return
    raise ConfigurationError(
        f"there is no database in DRIFTGATE_HOME={settings.driftgate_home}, and `driftgate {command}` makes none",
        allowed=f"a home that was begun by {', '.join(sorted(_BEGIN - _NEED_NONE))}",
        remedy="correct DRIFTGATE_HOME; or begin a new home there, as by `driftgate load` or `driftgate init`",
    )


def _print_loads(reports: "Sequence[IngestReport]") -> None:
    for report in reports:
        rows = ", ".join(f"{name} {count:,}" for name, count in report.rows.items())
        print(f"[Ingest] as_of={report.as_of} newest={report.newest} rows: {rows}")


def _date(text: str | None) -> date | None:
    return parse_as_of(text) if text is not None else None
