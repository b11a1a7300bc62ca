"""Versions, aliases and files, with MLflow on a real database."""

import hashlib
import json
import logging
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from sqlalchemy import text

from driftgate.database import ConnectionParameters, connect
from driftgate.errors import ConfigurationError, DatabaseError, DatabaseUnavailableError, DataError, OutputError
from driftgate.features.files import write_file
from driftgate.training.registry.mlflow_tables import IDENTITY_TAG
from driftgate.training.registry.models import ModelRegistry, Registered
from driftgate.training.registry.versions import Training
from tests.conftest import new_database

Train = Callable[..., Training]
Columns = dict[str, Any]
NAME = "streamflow_churn"


def head(columns: Columns) -> Columns:
    return {name: values[:5] for name, values in columns.items()}


@pytest.fixture(scope="module")
def base(
    server: ConnectionParameters,
    tmp_path_factory: pytest.TempPathFactory,
    training: Train,
    pipeline: Any,
    columns: Columns,
) -> Iterator[ModelRegistry]:
    """Three versions: the champion, one that was a challenger, and the challenger."""
    folder = tmp_path_factory.mktemp("registry")
    judged = folder / "judged.arrow"
    table = pa.table({"key": ["a"], "label": pa.array([1], pa.int8()), "score": [0.75], "validation": [True]})
    with pa.OSFile(str(judged), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with new_database(server) as parameters:
        # A name that must be quoted in an address.
        registry = ModelRegistry(parameters, folder / "art facts#1", NAME)
        assert registry.champion() is None
        with pytest.raises(DataError, match=f"{NAME} has no champion"):
            registry.require_champion()
        made = [
            registry.register(training(seed=seed, threshold=0.3), pipeline, head(columns), judged) for seed in (1, 2, 3)
        ]
        assert made == [
            Registered("1", "champion", True),
            Registered("2", "challenger", True),
            Registered("3", "challenger", True),
        ]
        yield registry
        registry.close()


@pytest.fixture
def registry(base: ModelRegistry) -> Iterator[ModelRegistry]:
    """The same three versions, whatever other tests did to their aliases."""
    yield base
    store = base._mlflow
    store.set_alias("champion", "1")
    store.set_alias("challenger", "3")
    for version in base.versions():
        store.client.delete_model_version_tag(NAME, version, "driftgate.replaced")


def test_nobody_else_reads_the_rows_that_lie_beside_a_model(registry: ModelRegistry) -> None:
    """The judged rows, and the example that MLflow keeps."""
    files = [path for path in registry.artifacts.rglob("*") if path.is_file()]
    assert {"judged.arrow", "input_example.json"} <= {path.name for path in files}
    assert [path for path in files if path.stat().st_mode & 0o077] == []
    assert {path.stat().st_mode & 0o077 for path in registry.artifacts.glob("*/*")} == {0}


def test_a_model_comes_back_as_it_was_registered(
    registry: ModelRegistry, training: Train, pipeline: Any, columns: Columns
) -> None:
    model = registry.load("1")
    assert (model.name, model.version, model.features) == (NAME, "1", ("tickets", "paperless", "service"))
    assert np.array_equal(model.scores(columns), pipeline.predict_proba(columns)[:, 1])
    info = registry.version_info("1")
    wanted = training(seed=1, threshold=0.3)
    assert model.threshold == 0.3 and model.predictions(np.array([0.2, 0.3])).values == [0, 1]
    assert {name: getattr(info, name) for name in vars(wanted)} == vars(wanted)
    assert registry.judged(info).to_pylist() == [{"key": "a", "label": 1, "score": 0.75, "validation": True}]


def test_the_run_holds_everything_about_a_training(registry: ModelRegistry, training: Train) -> None:
    info = registry.version_info("2")
    client = registry._mlflow.client
    run = client.get_run(info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["max_leaf_nodes"] == "8" and run.data.params["seed"] == "2"
    assert run.data.metrics["auc"] == 0.8 and run.data.metrics["train_rows"] == 320
    wanted = {"monitor": "churn", "as_of": "2024-01-31", "seed": "2", "fingerprint": "f" * 64, "threshold": "0.3"}
    # Neither who nor where nor which commit.
    own = {IDENTITY_TAG: run.data.tags[IDENTITY_TAG], "mlflow.runName": "2024-01-31 seed 2"}
    assert run.data.tags == wanted | own
    assert {
        name: value for name, value in client.get_model_version(NAME, "2").tags.items() if "." not in name
    } == wanted
    folder = (registry.artifacts / info.model_file).parent
    schema = json.loads((folder.parent / "features.json").read_text())
    assert [(item["name"], item["kind"]) for item in schema] == [
        ("tickets", "number"),
        ("paperless", "boolean"),
        ("service", "category"),
    ]
    signature = yaml.safe_load((folder / "MLmodel").read_text())["signature"]
    assert json.loads(signature["inputs"])[2] == {"type": "string", "name": "service", "required": False}
    assert json.loads(signature["outputs"])[0]["tensor-spec"] == {"dtype": "float64", "shape": [-1, 2]}
    example = json.loads((folder / "input_example.json").read_text())
    assert example["columns"] == ["tickets", "paperless", "service"] and len(example["data"]) == 5
    assert client.get_experiment_by_name("Default").artifact_location.startswith(registry.artifacts.as_uri())


def test_mlflow_itself_can_load_and_score(registry: ModelRegistry, pipeline: Any, columns: Columns) -> None:
    """As its scoring server would."""
    import mlflow.pyfunc
    import pandas as pd

    folder = (registry.artifacts / registry.version_info("1").model_file).parent
    frame = pd.DataFrame({**columns, "tickets": np.array(columns["tickets"], dtype=float)})
    assert frame.isna().any(axis=1).sum() > 100
    scores = mlflow.pyfunc.load_model(str(folder)).predict(frame)
    assert np.array_equal(scores, pipeline.predict_proba(columns))


def test_the_same_training_is_one_version(
    registry: ModelRegistry, training: Train, pipeline: Any, columns: Columns
) -> None:
    again = [registry.register(training(seed=seed, threshold=0.3), pipeline, head(columns)) for seed in (1, 2, 3)]
    assert again == [
        Registered("1", "champion", False),
        Registered("2", "", False),
        Registered("3", "challenger", False),
    ]
    assert registry.versions() == ["1", "2", "3"]


def test_a_version_is_promoted_and_taken_back(registry: ModelRegistry) -> None:
    registry.promote("3")
    assert (registry.champion(), registry.challenger()) == ("3", None)
    registry.promote("3")
    assert registry.rollback() == "1" == registry.champion()
    with pytest.raises(DataError, match="version 1, replaced no other"):
        registry.rollback()
    registry.promote("2")
    registry.promote("3")
    assert [registry.rollback(), registry.rollback()] == ["2", "1"]


def test_further_metrics_join_those_of_the_training(registry: ModelRegistry) -> None:
    registry.log_metrics("1", {"contest_auc": 0.25})
    run = registry._mlflow.client.get_run(registry.version_info("1").run_id)
    assert run.data.metrics["contest_auc"] == 0.25 and run.data.metrics["auc"] == 0.8


@pytest.mark.parametrize("version", ["99", "", "1.0", "one", "-1", "99999999999999999999", "²"])
def test_a_version_that_is_not_there_is_named(registry: ModelRegistry, version: str) -> None:
    for ask in (registry.version_info, registry.load, registry.promote):
        with pytest.raises(DataError, match="1, 2, 3"):
            ask(version)
    assert registry.champion() == "1"


def test_a_missing_folder_says_which_setting_names_it(registry: ModelRegistry, tmp_path: Path) -> None:
    elsewhere = ModelRegistry(registry.parameters, tmp_path, NAME)
    assert elsewhere.champion() == "1"
    with pytest.raises(ConfigurationError, match="MLFLOW_ARTIFACTS"):
        elsewhere.load("1")
    with pytest.raises(ConfigurationError, match="MLFLOW_ARTIFACTS"):
        elsewhere.judged(elsewhere.version_info("1"))
    elsewhere.close()


def test_a_moved_folder_still_serves(registry: ModelRegistry, tmp_path: Path) -> None:
    shutil.copytree(registry.artifacts, tmp_path / "moved")
    moved = ModelRegistry(registry.parameters, tmp_path / "moved", NAME)
    assert moved.load("1").version == "1"
    moved.close()


def test_another_file_than_was_registered_is_never_opened(registry: ModelRegistry, tmp_path: Path) -> None:
    shutil.copytree(registry.artifacts, tmp_path / "changed")
    changed = ModelRegistry(registry.parameters, tmp_path / "changed", NAME)
    proof = tmp_path / "opened"
    (changed.artifacts / changed.version_info("2").model_file).write_bytes(pickle.dumps(Opened(str(proof))))
    with pytest.raises(ConfigurationError, match="not the file that was registered"):
        changed.promote("2")
    assert not proof.exists() and changed.champion() == "1"
    changed.close()


@pytest.mark.parametrize("way", ["absolute", "up", "link"])
@pytest.mark.parametrize("field", ["model_file", "judged_file"])
def test_a_file_outside_the_folder_is_never_opened(
    registry: ModelRegistry, tmp_path: Path, way: str, field: str
) -> None:
    proof, outside = tmp_path / "opened", tmp_path / "outside.pkl"
    outside.write_bytes(pickle.dumps(Opened(str(proof))))
    link = registry.artifacts / f"link {field}"
    link.unlink(missing_ok=True)
    link.symlink_to(outside)
    up = "../" * len(registry.artifacts.resolve().parts)
    name = {"absolute": str(outside), "up": f"churn/{up}{outside}", "link": link.name}[way]
    digest = hashlib.sha256(outside.read_bytes()).hexdigest()
    store = registry._mlflow
    document = registry._tables.tag("2", "driftgate.training")
    assert document is not None
    changed = json.dumps({**json.loads(document), field: name, "model_sha256": digest})
    store.set_tag("2", "driftgate.training", changed)
    try:
        with pytest.raises(ConfigurationError, match="names a file outside"):
            registry.load("2") if field == "model_file" else registry.judged(registry.version_info("2"))
    finally:
        store.set_tag("2", "driftgate.training", document)
        link.unlink()
    assert not proof.exists()


class Opened:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path(self.path).touch, ())


def test_another_scikit_learn_is_refused(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sklearn.__version__", "0.1")
    with pytest.raises(ConfigurationError, match=r"(?s)this is 0\.1.*train again.*--as-of 2024-01-31 --seed 1"):
        registry.load("1")


def test_a_database_that_is_away_is_worth_a_retry(registry: ModelRegistry) -> None:
    away = ModelRegistry(replace(registry.parameters, host="127.0.0.1", port=1), registry.artifacts, NAME)
    for ask in (away.champion, away.versions, lambda: away.version_info("1"), lambda: away.load("1"), away.rollback):
        with pytest.raises(DatabaseUnavailableError):
            ask()


@pytest.mark.slow
def test_trainings_that_are_registered_at_once_do_not_mix(
    server: ConnectionParameters, tmp_path: Path, training: Train, pipeline: Any, columns: Columns
) -> None:
    """By two processes, on a database that MLflow has not seen, the same two trainings in either order."""
    script = """
import pickle, sys
import driftgate.training.registry.mlflow_adapter, driftgate.training.pipeline
from driftgate.training.registry.models import ModelRegistry
print("ready", flush=True)
parameters, artifacts, trainings, pipeline, example = pickle.load(sys.stdin.buffer)
registry = ModelRegistry(parameters, artifacts, "streamflow_churn")
for training in trainings:
    made = registry.register(training, pipeline, example)
    print(training.seed, made.version, made.created)
"""
    one, two = training(seed=5), training(seed=6)
    with (
        new_database(server) as parameters,
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as other,
    ):
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        pickle.dump((parameters, tmp_path, [two, one], pipeline, head(columns)), other.stdin)
        other.stdin.flush()
        registry = ModelRegistry(parameters, tmp_path, NAME)
        made = [(item.seed, registry.register(item, pipeline, head(columns))) for item in (one, two)]
        out, err = other.communicate(timeout=300)
        assert other.returncode == 0, err.decode()
        # All that it may say is that it makes its tables; MLflow says nothing.
        assert all(line.startswith(b"making MLflow's tables") for line in err.splitlines()), err.decode()
        seen = [(str(seed), item.version, str(item.created)) for seed, item in made]
        seen += [tuple(line.split()) for line in out.decode().splitlines()]
        assert len(seen) == 4 and [created for _, _, created in seen].count("True") == 2
        assert len({(seed, version) for seed, version, _ in seen}) == 2
        assert registry.versions() == ["1", "2"]
        assert (registry.champion(), registry.challenger()) == ("1", "2")
        registry.close()


def test_a_folder_that_cannot_be_written_is_named(
    registry: ModelRegistry, training: Train, pipeline: Any, columns: Columns, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    elsewhere = ModelRegistry(registry.parameters, blocked, NAME)
    with pytest.raises(OutputError, match="MLFLOW_ARTIFACTS"):
        elsewhere.register(training(seed=77), pipeline, head(columns))
    elsewhere.close()
    assert registry.versions() == ["1", "2", "3"], "no version without its files"


def test_a_training_that_failed_half_way_is_taken_up(
    registry: ModelRegistry,
    training: Train,
    pipeline: Any,
    columns: Columns,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The version is there, and its alias is not; then its file is lost."""
    with new_database(replace(registry.parameters, dbname="postgres")) as parameters:
        store = ModelRegistry(parameters, tmp_path, NAME)
        assert store._mlflow.record(training(), pipeline, head(columns), None) == "1"
        assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
            "making MLflow's tables in the schema mlflow; this takes some seconds, once"
        ]
        assert store.champion() is None
        assert store.register(training(), pipeline, head(columns)) == Registered("1", "champion", False)
        (tmp_path / store.version_info("1").model_file).unlink()
        assert store.register(training(), pipeline, head(columns)) == Registered("2", "challenger", True)
        store.promote("2")
        with pytest.raises(ConfigurationError, match="MLFLOW_ARTIFACTS"):
            store.rollback()
        assert store.champion() == "2"
        store.close()


KILLED = """
import os, pickle, signal, sys
from driftgate.training.registry import mlflow_adapter
from driftgate.training.registry.models import ModelRegistry

parameters, artifacts, training, pipeline, example, where = pickle.load(sys.stdin.buffer)
places = {"files": (mlflow_adapter, "_make_model"), "version": (mlflow_adapter.MlflowClient, "set_terminated")}
setattr(*places[where], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
ModelRegistry(parameters, artifacts, "streamflow_churn").register(training, pipeline, example)
"""


def test_a_training_that_was_killed_is_ended_by_the_next(
    registry: ModelRegistry, training: Train, pipeline: Any, columns: Columns, tmp_path: Path
) -> None:
    """Once its files are there, or once its version is: its run is no longer open, and no files are nobody's."""
    with new_database(replace(registry.parameters, dbname="postgres")) as parameters:
        store = ModelRegistry(parameters, tmp_path, NAME)
        for where, seed, expected in (
            ("files", 1, Registered("1", "champion", True)),
            ("version", 2, Registered("2", "challenger", False)),
        ):
            given = pickle.dumps((parameters, tmp_path, training(seed=seed), pipeline, head(columns), where))
            killed = subprocess.run([sys.executable, "-c", KILLED], input=given, capture_output=True, check=False)
            assert killed.returncode == -signal.SIGKILL, killed.stderr
            assert len(store._tables.unfinished_runs()) == 1
            assert store.register(training(seed=seed), pipeline, head(columns)) == expected
            assert store._tables.unfinished_runs() == []
        runs = store._mlflow.client.search_runs([experiment_of(store)])
        assert sorted(run.info.status for run in runs) == ["FINISHED", "FINISHED", "KILLED"]
        assert len(list(tmp_path.glob("*/*/artifacts"))) == 2
        store.close()


def experiment_of(store: ModelRegistry) -> str:
    (found,) = [each for each in store._mlflow.client.search_experiments() if each.name != "Default"]
    return str(found.experiment_id)


def test_a_role_without_rights_is_told_so(server: ConnectionParameters, tmp_path: Path, training: Train) -> None:
    with new_database(server) as parameters:
        engine = connect(parameters)
        with engine.begin() as connection:
            connection.execute(text("DROP ROLE IF EXISTS registry_reader"))
            connection.execute(text("CREATE ROLE registry_reader LOGIN PASSWORD 'open:sesame@1'"))
        reader = replace(parameters, user="registry_reader", password="open:sesame@1")
        store = ModelRegistry(reader, tmp_path, NAME)
        assert store.champion() is None
        with pytest.raises(DatabaseError, match="permission denied") as caught:
            store.register(training(), None, {})
        assert not caught.value.transient and "sesame" not in str(caught.value)
        store.close()
        engine.dispose()
    admin = connect(server)
    with admin.begin() as connection:
        connection.execute(text("DROP ROLE registry_reader"))
    admin.dispose()


def test_an_address_in_a_message_of_mlflow_shows_no_password(registry: ModelRegistry) -> None:
    from driftgate.training.registry.mlflow_errors import mlflow_errors

    secret = replace(registry.parameters, password="p@ss/word")
    for shown in ("p@ss/word", "p%40ss%2Fword"):
        with pytest.raises(Exception, match=r"postgresql://u:\*\*\*@") as caught, mlflow_errors("trying", secret):
            raise RuntimeError(f"cannot use postgresql://u:{shown}@host")
        assert shown not in str(caught.value)


def test_reading_needs_no_mlflow(registry: ModelRegistry) -> None:
    """Whoever serves need not wait for it nor pay its memory."""
    script = """
import pickle, sys
from driftgate.training.registry.models import ModelRegistry
parameters, artifacts = pickle.load(sys.stdin.buffer)
registry = ModelRegistry(parameters, artifacts, "streamflow_churn")
model = registry.load(registry.require_champion())
assert 0 <= model.scores({name: [None] for name in model.features})[0] <= 1
print("mlflow" in sys.modules)
"""
    sent = pickle.dumps((registry.parameters, registry.artifacts))
    done = subprocess.run([sys.executable, "-c", script], input=sent, capture_output=True, check=False)
    assert done.stdout == b"False\n", done.stderr.decode()


def another(registry: ModelRegistry, name: str) -> ModelRegistry:
    return ModelRegistry(registry.parameters, registry.artifacts, name)


@pytest.mark.parametrize(
    ("name", "monitor", "measured", "word"),
    [
        ("streamflow_chrun", "new", False, r"one with a name like it; did you mean 'streamflow_churn'\?"),
        ("orders", "churn", False, r"was trained as streamflow_churn; did you mean 'streamflow_churn'\?"),
        ("orders", "new", True, "a champion was measured for its earlier verdicts"),
    ],
    ids=["typing error", "renamed", "deleted"],
)
def test_a_model_that_should_have_a_champion_is_none_still_to_be_trained(
    registry: ModelRegistry, name: str, monitor: str, measured: bool, word: str
) -> None:
    with pytest.raises(ConfigurationError, match=word) as caught:
        another(registry, name).require_champion_or_untrained(monitor, measured)
    assert caught.value.allowed == "a model that exists: streamflow_churn"
    assert f"`driftgate train --monitor {monitor}`" in caught.value.remedy


def test_a_model_with_a_champion_or_without_any_training_is_legal(registry: ModelRegistry) -> None:
    registry.require_champion_or_untrained("anything", measured=True)
    another(registry, "orders").require_champion_or_untrained("new", measured=False)


def test_versions_without_a_champion_are_an_error(registry: ModelRegistry) -> None:
    registry._mlflow.remove_alias("champion")
    with pytest.raises(ConfigurationError, match="has versions and no champion") as caught:
        registry.require_champion_or_untrained("churn", measured=False)
    assert "driftgate promote" in caught.value.remedy and "1, 2, 3" in caught.value.allowed


def test_a_champion_without_its_files_can_be_replaced(registry: ModelRegistry) -> None:
    path = registry.artifacts / registry.version_info("1").model_file
    kept = path.rename(path.with_suffix(".kept"))
    try:
        with pytest.raises(ConfigurationError, match="driftgate promote"):
            registry.load("1")
        registry.promote("2")
        assert registry.champion() == "2" and registry.load("2").version == "2"
    finally:
        kept.rename(path)


def test_a_promotion_over_a_champion_that_is_none_any_more_is_refused(registry: ModelRegistry) -> None:
    registry.promote("3", over="1")
    with pytest.raises(DataError, match=r"version 2 was held against version 1\b.*\b3\b"):
        registry.promote("2", over="1")
    assert registry.champion() == "3"
    registry.promote("3", over="1")  # the same once more, as by a retry
    assert registry.champion() == "3" and registry.rollback() == "1"


def test_other_judged_rows_than_were_registered_are_never_used(
    registry: ModelRegistry, tmp_path: Path, training: Train, pipeline: Any, columns: Columns
) -> None:
    """With the right labels and scores under other keys they had given a drop that nothing contradicts."""
    rows = pa.table({"key": ["a", "b"], "label": [0.0, 1.0], "validation": [True, True], "score": [0.1, 0.9]})
    write_file(tmp_path / "judged.arrow", rows)
    made = registry.register(training(seed=77), pipeline, head(columns), tmp_path / "judged.arrow")
    info = registry.version_info(made.version)
    assert registry.judged(info).equals(rows)
    write_file(registry.artifacts / info.judged_file, rows.set_column(0, "key", pa.array(["x", "y"])))
    with pytest.raises(ConfigurationError, match="not the file that was registered"):
        registry.judged(info)
    again = registry.register(training(seed=77), pipeline, head(columns), tmp_path / "judged.arrow")
    assert again.created and again.version != made.version, "a training whose files are damaged is made again"
    assert registry.judged(registry.version_info(again.version)).equals(rows)
