"""What `driftgate init` writes: for StreamFlow's repository, and for one that Feast's own `feast init` made."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from driftgate.database import ConnectionParameters
from driftgate.features.proposal import RepositoryOffer, ServiceOffer, SourceOffer, monitors_text
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import read_monitor, read_monitors
from tests.conftest import FEATURE_REPO

DAY = date(2024, 2, 29)
SERVICE = ServiceOffer("s v1", 3, ("v",), ("plain",), ("id",))
PLAIN = SourceOffer("plain", "at", ("id",), 2, DAY, 10, 10)
ANSWERS = SourceOffer("answers", "at", ("id",), 2, DAY, 10, 10, (("left", "boolean"), ("score", "numeric")))


def offer(*sources: SourceOffer, service: ServiceOffer = SERVICE) -> RepositoryOffer:
    return RepositoryOffer(Path("/repo"), "duckdb", (service,), sources)


def written(folder: Path, text: str) -> Path:
    path = folder / "monitors.toml"
    path.write_text(text)
    return path


def test_what_is_sure_is_set_and_can_be_read_back(tmp_path: Path) -> None:
    monitor = read_monitor(written(tmp_path, monitors_text(offer(PLAIN, ANSWERS))), "s_v1")
    assert (monitor.feature_service, monitor.feast_repo) == ("s v1", Path("/repo"))
    assert (monitor.entity.source, monitor.entity.key) == ("plain", "id")
    assert monitor.label is not None and (monitor.label.source, monitor.label.column) == ("answers", "left")


def test_what_is_not_sure_is_left_to_a_person(tmp_path: Path) -> None:
    unsure = replace(ANSWERS, labels=(("left", "boolean"), ("stayed", "boolean")))
    text = monitors_text(offer(PLAIN, unsure))
    assert read_monitor(written(tmp_path, text), "s_v1").label is None
    assert "candidate: answers.left (boolean)" in text and "# DECIDE: which of them" in text


@pytest.mark.parametrize("labels", [ANSWERS.labels, (("left", "boolean"), ("stayed", "boolean"))])
def test_which_entities_get_a_label_is_asked_for(tmp_path: Path, labels: tuple[tuple[str, str], ...]) -> None:
    """The line stands where the section of the label ends, so that without its mark it is a key of that."""
    text = monitors_text(offer(PLAIN, replace(ANSWERS, labels=labels)))
    asked = "# expected = \"status != 'cancelled'\"\n"
    assert text.endswith(asked)
    before, mark, _ = text.rpartition("# DECIDE: does each entity get a label")
    chosen = before.replace("\n# [s_v1.label]\n# source", "\n[s_v1.label]\nsource").replace("\n# column", "\ncolumn")
    label = read_monitor(written(tmp_path, f"{chosen}{asked.removeprefix('# ')}"), "s_v1").label
    assert mark and label is not None and label.expected == "status != 'cancelled'"
    assert "expected" not in monitors_text(offer(PLAIN))


def test_entities_come_from_a_source_with_one_row_a_key(tmp_path: Path) -> None:
    hourly = replace(PLAIN, name="hourly", rows=240)
    service = replace(SERVICE, sources=("hourly", "plain"))
    path = written(tmp_path, monitors_text(offer(hourly, PLAIN, service=service)))
    assert read_monitor(path, "s_v1").entity.source == "plain"
    text = monitors_text(offer(hourly, service=replace(service, sources=("hourly",))))
    assert "# DECIDE: entities need a source with one row for each key and month" in text
    assert "hourly: 2 days, the newest 2024-02-29 of 240 rows, 10 keys" in text


def test_entities_that_never_come_again_may_depend_on_each_other(tmp_path: Path) -> None:
    text = monitors_text(offer(replace(PLAIN, again=0), ANSWERS))
    assert '# group = "COLUMN"' in text and read_monitor(written(tmp_path, text), "s_v1").entity.group is None
    chosen = text.replace('# group = "COLUMN"', 'group = "day"')
    assert read_monitor(written(tmp_path, chosen), "s_v1").entity.group == "day"
    assert "group" not in monitors_text(offer(replace(PLAIN, again=7), ANSWERS))


def test_a_source_of_keys_and_times_alone_says_who_exists(tmp_path: Path) -> None:
    text = monitors_text(offer(PLAIN, replace(PLAIN, name="everyone"), ANSWERS))
    assert read_monitor(written(tmp_path, text), "s_v1").entity.source == "everyone"
    assert "# candidate: plain" in text and "# candidate: answers\n" not in text


def test_a_repository_below_the_file_is_named_from_there(tmp_path: Path) -> None:
    below = replace(offer(PLAIN), repo=tmp_path / "repo")
    path = written(tmp_path, monitors_text(below, tmp_path))
    assert 'feast_repo = "repo"' in path.read_text()
    assert read_monitor(path, "s_v1").feast_repo == tmp_path / "repo"
    assert 'feast_repo = "/repo"' in monitors_text(offer(PLAIN), tmp_path)


@pytest.mark.parametrize(
    ("service", "why"),
    [
        (replace(SERVICE, asked=("amount",)), "its on-demand views need amount of each request"),
        (replace(SERVICE, keys=("id", "shop")), "one join key"),
    ],
)
def test_a_service_that_cannot_be_watched_says_why(tmp_path: Path, service: ServiceOffer, why: str) -> None:
    text = monitors_text(offer(PLAIN, service=service))
    assert why in text
    assert read_monitors(written(tmp_path, text)) == {}


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    service = replace(SERVICE, name='a"]\n[b]', sources=('p"\\',))
    monitors = read_monitors(written(tmp_path, monitors_text(offer(replace(PLAIN, name='p"\\'), service=service))))
    assert [item.entity.source for item in monitors.values()] == ['p"\\']


@pytest.fixture
def worker(_loaded_template: ConnectionParameters) -> Iterator[FeatureWorker]:
    with FeatureWorker(_loaded_template) as opened:
        yield opened


def test_streamflow(worker: FeatureWorker, tmp_path: Path) -> None:
    found = worker.inspect_repository(FEATURE_REPO)
    assert (found.store, [item.name for item in found.services]) == ("postgres", ["churn_v1"])
    monitor = read_monitor(written(tmp_path, monitors_text(found)), "churn_v1")
    assert monitor.entity.source in {"subs_profile", "usage_agg_30d", "payments_agg_90d", "support_agg_90d"}
    assert monitor.entity.key == "user_id"
    candidates = {(item.name, label) for item in found.sources for label, _ in item.labels}
    assert ("labels", "churn_label") in candidates


def test_the_template_of_feast(worker: FeatureWorker, tmp_path: Path) -> None:
    init = "from feast.cli.cli import cli; cli()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", init, "init", "demo"], cwd=tmp_path, check=True, timeout=120)
    # Its rows end an hour ago. In the first hours of a day that day has one row a key.
    made = tmp_path / "demo" / "feature_repo" / "data" / "driver_stats.parquet"
    rows = pd.read_parquet(made)
    rows[rows["event_timestamp"] < rows["event_timestamp"].max().floor("D")].to_parquet(made)
    found = worker.inspect_repository(tmp_path / "demo" / "feature_repo")
    assert found.store == "dask"
    assert [item.name for item in found.services] == ["driver_activity_v1", "driver_activity_v2", "driver_activity_v3"]
    hourly = found.source("driver_hourly_stats_source")
    assert (hourly.problem, hourly.one_row_a_key) == ("", False) and hourly.months > 10
    labels = found.source("driver_quality_labels_batch")
    assert (labels.newest, ("is_reliable", "numeric") in labels.labels) == (None, True)
    text = monitors_text(found)
    assert read_monitors(written(tmp_path, text)) == {}
    assert text.count("val_to_add") == 6


def test_the_command_writes_over_nothing(tmp_path: Path) -> None:
    there = written(tmp_path, "[mine]")
    command = [sys.executable, "-m", "flows.cli", "init", "--feast-repo", str(FEATURE_REPO), "--out", str(there)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 2 and "is there already" in result.stderr
    assert there.read_text() == "[mine]"
