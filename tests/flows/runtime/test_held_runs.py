"""Runs of living processes are found, and ended where that is asked for; those of others are not."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from driftgate.errors import UsageError
from flows.cli.stack import _end_runs
from flows.runtime.held_runs import held_runs, runs_folder
from tests.conftest import ROOT

API = "http://127.0.0.1:4200/api"
HOLD = """
import os, sys, time
from pathlib import Path
from uuid import uuid4

from driftgate.process import end_on_signals

end_on_signals()
from flows.runtime.held_runs import hold_run

os.environ["PREFECT_API_URL"] = sys.argv[2]
hold_run(Path(sys.argv[1]), uuid4(), "monitor churn")
print("held", flush=True)
time.sleep(600)
"""


def test_runs_of_one_server_whose_process_lives_are_found_and_ended_where_that_is_forced(tmp_path: Path) -> None:
    line = [sys.executable, "-c", HOLD, str(tmp_path)]
    with (
        subprocess.Popen([*line, API], cwd=ROOT, stdout=subprocess.PIPE, text=True) as mine,
        subprocess.Popen([*line, "http://elsewhere/api"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as other,
    ):
        for process in (mine, other):
            assert process.stdout is not None and process.stdout.readline() == "held\n"
        # Of a process that is gone, and a damaged one.
        (runs_folder(tmp_path) / str(uuid4())).write_text(json.dumps({"name": "gone"}))
        (runs_folder(tmp_path) / "damaged").touch()
        assert [(run.name, run.pid) for run in held_runs(tmp_path, API)] == [("monitor churn", mine.pid)]
        with pytest.raises(UsageError, match=rf"monitor churn \(process {mine.pid}\)"):
            _end_runs(tmp_path, API, force=False)
        assert mine.poll() is None
        _end_runs(tmp_path, API, force=True)
        assert mine.wait() == 143 and other.poll() is None
        other.kill()
    assert held_runs(tmp_path, API) == []
    _end_runs(tmp_path, API, force=False)
