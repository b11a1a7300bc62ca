"""The command that replays policies of retraining over past months: backtest."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from driftgate.pairs import parse_as_of

commands = typer.Typer()


@commands.command()
def backtest(
    start: Annotated[str | None, typer.Option("--from", help="First month, YYYY-MM-DD, the first model's")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last month, YYYY-MM-DD")] = None,
    monitor: Annotated[str | None, typer.Option(help="Heading in monitors.toml; by default the only one")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the page and its JSON; by default the monitor's report folder")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the lines")] = False,
) -> None:
    """Replay policies of retraining over the loaded months; interrupted, it goes on where it was."""
    from driftgate.files import require_writable, write_atomic
    from driftgate.monitors import read_monitor
    from driftgate.process import before_end
    from flows.runtime.environment import Runtime, feature_worker
    from flows.runtime.progress import begun, tracked

    first, last = (parse_as_of(text) if text is not None else None for text in (start, end))
    runtime = Runtime.from_environment()
    chosen = read_monitor(runtime.settings.driftgate_monitors, monitor)
    folder = out.resolve() if out else runtime.settings.report_dir / (chosen.report_folder or chosen.name)
    require_writable(folder)
    before_end(partial(_say_how_to_go_on, runtime.settings.driftgate_home))
    begun(f"looking at the loaded months of {chosen.name}")
    feature_worker(runtime.parameters)
    from driftgate.reports import backtest_page
    from driftgate.reports.backtest_text import backtest_document, backtest_lines
    from driftgate.reports.index import BACKTEST, write_index
    from flows.backtest import run_backtest

    found = run_backtest(runtime, chosen, first, last, lambda items, what: tracked(items, what, str))
    document = backtest_document(found)
    write_atomic(folder / "backtest.json", f"{document}\n")
    write_atomic(folder / BACKTEST, backtest_page.render(found))
    # The page of the monitor leads to it.
    write_index(runtime.settings.report_dir)
    lines = [*backtest_lines(found), f"page: {folder / BACKTEST}"]
    for line in [document] if as_json else lines:
        typer.echo(line)


def _say_how_to_go_on(home: Path) -> None:
    sys.stderr.write(
        f"The backtest was interrupted. What it computed is kept in {home / 'backtest'}: "
        "the same command goes on where it ended.\n"
    )
