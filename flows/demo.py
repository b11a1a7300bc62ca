"""The whole path on sample months: three months in, two pairs judged."""

import os
import sys
from itertools import pairwise

from driftgate.publish.text import result_lines
from driftgate.snapshots.folders import month_folders
from driftgate.snapshots.sample import write_sample_months
from flows.ingest_flow import ingest_month
from flows.monitor_flow import monitor_month
from flows.runtime import Runtime

_MONTHS = 3


def run_demo(here: Runtime) -> None:
    """Write sample months, load those that are not loaded, judge each pair, and say what to try next."""
    out = here.settings.driftgate_home / "sample"
    write_sample_months(out, months=_MONTHS)
    os.environ["DRIFTGATE_DATA"] = str(out)
    ingest_month()
    days = [day for _, day in month_folders(out)][:_MONTHS]
    runs = [monitor_month(ref, cur) for ref, cur in pairwise(days)]
    for run in runs:
        say(f"\n{run.drift.as_of_ref} against {run.drift.as_of_cur}")
        for line in result_lines(run):
            say(line)
    newest = runs[-1]
    say(
        f"\nOpen {newest.paths.html} in a browser to see every feature then and now.\n"
        "Try next:\n"
        "  .venv/bin/driftgate monitor                    the two newest months again\n"
        f"  .venv/bin/driftgate monitor --as-of-ref {days[0]} --as-of-cur {days[-1]}\n"
        "  .venv/bin/driftgate monitor --threshold 0.6    a higher bar: no retraining\n"
        "  .venv/bin/driftgate --help                     the other commands"
    )


def say(line: str) -> None:
    """Print for the person who started the demo."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
