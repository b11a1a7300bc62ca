"""The one module that imports mlflow: a run for each training, versions of a registered model, and their aliases.

MLflow's client works directly on tables in the same PostgreSQL database, in a schema of their own; no server runs.
"""

import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, text

from driftgate.database import ConnectionParameters, connect, database_errors
from driftgate.database.locks import Lock, session_lock
from driftgate.errors import OutputError
from driftgate.files import make_private, private_folder
from driftgate.measures import LabelKind
from driftgate.scratch import newest_scratch
from driftgate.training.features import InputKind
from driftgate.training.registry.artifacts import digest_of
from driftgate.training.registry.mlflow_errors import SCHEMA, mlflow_errors
from driftgate.training.registry.mlflow_tables import IDENTITY_TAG, MONITOR_TAG
from driftgate.training.registry.versions import TRAINING_TAG, Training, training_text

# mlflow reads these at import. Without them it reports its use to its makers, and warns where git is missing.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import mlflow.sklearn
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, Schema, TensorSpec

_log = logging.getLogger(__name__)
_COLUMN_TYPES = {InputKind.NUMBER: "double", InputKind.BOOLEAN: "boolean", InputKind.CATEGORY: "string"}


def store_uri(parameters: ConnectionParameters) -> str:
    """Return the address of MLflow's store. It contains the password, so keep it out of command lines and logs."""
    options = quote(f"-csearch_path={SCHEMA} -ctimezone=UTC")
    return f"{parameters.url_text()}&options={options}&connect_timeout=10&application_name=driftgate"


@dataclass(frozen=True)
class MlflowStore:
    """One registered model in MLflow.

    Attributes:
        parameters: database that holds MLflow's schema.
        artifacts: absolute folder of the trained models.
        name: registered model.
    """

    parameters: ConnectionParameters
    artifacts: Path
    name: str

    @property
    def client(self) -> MlflowClient:
        """MLflow's own client; the first use creates its tables, which takes seconds.

        Raises:
            DatabaseError: the role may not create a schema, or the database cannot be reached.
        """
        return _open_client(self.parameters, self.artifacts)

    def record(
        self, training: Training, pipeline: Any, example: Mapping[str, Sequence[Any]], judged: Path | None
    ) -> str:
        """Write one run with everything about a training, and a version of the model; every alias stays.

        Returns:
            The version.

        Raises:
            OutputError: the artifacts folder is not writable.
            DatabaseError: the database refuses or cannot be reached.
        """
        client = self.client
        with mlflow_errors("recording the training", self.parameters, self.artifacts):
            experiment = _experiment(client, training.monitor, self.artifacts)
            # Tagged from the first moment: where this process is killed, the next training finds the run by it.
            name, mark = f"{training.as_of} seed {training.seed}", {IDENTITY_TAG: training.identity}
            run = client.create_run(experiment, tags=mark, run_name=name)
            try:
                tags = _log_run(client, run.info, self.artifacts, training, pipeline, example, judged)
                _make_model(client, self.name)
                source = f"{run.info.artifact_uri}/model"
                made = client.create_model_version(self.name, source, run.info.run_id, tags=tags)
            except BaseException:
                client.set_terminated(run.info.run_id, "FAILED")
                raise
            client.set_terminated(run.info.run_id, "FINISHED")
            return str(made.version)

    def end_runs(self, run_ids: Sequence[str]) -> None:
        """End runs whose process was killed: one that became a version is finished, of another the files are removed.

        Raises:
            DatabaseError: the database refuses or cannot be reached.
        """
        client = self.client
        with mlflow_errors("ending runs of trainings that were killed", self.parameters):
            for run_id in run_ids:
                if client.search_model_versions(f"run_id = '{run_id}'", max_results=1):
                    client.set_terminated(run_id, "FINISHED")
                    continue
                _log.warning("the training of the run %s was killed; what it has written is removed", run_id)
                for folder in self.artifacts.glob(f"*/{run_id}"):
                    shutil.rmtree(folder, ignore_errors=True)
                client.set_terminated(run_id, "KILLED")

    def set_alias(self, alias: str, version: str) -> None:
        """Point an alias at a version, in one step.

        Raises:
            DatabaseError: the database refuses or cannot be reached.
        """
        client = self.client
        with mlflow_errors(f"moving the alias {alias}", self.parameters):
            client.set_registered_model_alias(self.name, alias, version)

    def remove_alias(self, alias: str) -> None:
        """Remove an alias where it exists.

        Raises:
            DatabaseError: the database refuses or cannot be reached.
        """
        client = self.client
        with mlflow_errors(f"removing the alias {alias}", self.parameters):
            client.delete_registered_model_alias(self.name, alias)

    def set_tag(self, version: str, tag: str, value: str) -> None:
        """Write a tag of a version.

        Raises:
            DatabaseError: the database refuses or cannot be reached.
        """
        client = self.client
        with mlflow_errors(f"tagging version {version}", self.parameters):
            client.set_model_version_tag(self.name, version, tag, value)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Write further metrics of a run.

        Raises:
            DatabaseError: the database refuses or cannot be reached.
        """
        client, now = self.client, int(time.time() * 1000)
        with mlflow_errors(f"writing metrics of the run {run_id}", self.parameters):
            client.log_batch(run_id, metrics=[Metric(name, float(value), now, 0) for name, value in metrics.items()])


@cache
def _open_client(parameters: ConnectionParameters, artifacts: Path) -> MlflowClient:
    engine = connect(parameters)
    try:
        # MLflow creates its tables without a lock, and two processes at the same time would fail.
        with (
            database_errors("preparing MLflow's tables", parameters),
            session_lock(engine, Lock.MLFLOW_SCHEMA) as connection,
        ):
            _make_schema(connection)
            connection.commit()
            return _client_on(parameters, artifacts)
    finally:
        engine.dispose()


def _make_schema(connection: Connection) -> None:
    found = connection.execute(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": SCHEMA}).scalar_one()
    if not found:
        _log.warning("making MLflow's tables in the schema %s; this takes some seconds, once", SCHEMA)
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))


def _client_on(parameters: ConnectionParameters, artifacts: Path) -> MlflowClient:
    uri = store_uri(parameters)
    with mlflow_errors("preparing MLflow's tables", parameters):
        # This call puts the default experiment below our folder; the client would put it into the working directory.
        SqlAlchemyStore(uri, artifacts.as_uri())
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
    return client


def _experiment(client: MlflowClient, monitor: str, artifacts: Path) -> str:
    """Return the monitor's experiment. An experiment never changes its folder, so another folder gets another one."""
    location = (artifacts / monitor).as_uri()
    for name in (monitor, f"{monitor} in {artifacts}"):
        found = client.get_experiment_by_name(name)
        if found is None:
            return str(client.create_experiment(name, artifact_location=location))
        if found.artifact_location == location:
            return str(found.experiment_id)
    raise OutputError(
        f"MLflow's experiment {name!r} keeps its artifacts in {found.artifact_location}, and not in {location}",
        remedy="delete or rename that experiment, or set MLFLOW_ARTIFACTS to its folder",
    )


def _log_run(
    client: MlflowClient,
    info: Any,
    artifacts: Path,
    training: Training,
    pipeline: Any,
    example: Mapping[str, Sequence[Any]],
    judged: Path | None,
) -> dict[str, str]:
    """Write parameters, metrics, tags and files of a run; return the tags of the new version."""
    now = int(time.time() * 1000)
    tags = {
        MONITOR_TAG: training.monitor,
        "as_of": str(training.as_of),
        "seed": str(training.seed),
        "fingerprint": training.fingerprint,
    }
    if training.threshold is not None:
        tags["threshold"] = str(training.threshold)
    counts = {name: getattr(training, name) for name in ("train_rows", "validation_rows", "unlabelled_rows")}
    settings = {**training.parameters, "seed": training.seed, "validation_share": training.validation_share}
    client.log_batch(
        info.run_id,
        metrics=[Metric(name, float(value), now, 0) for name, value in {**training.metrics, **counts}.items()],
        params=[Param(name, str(value)) for name, value in settings.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
    private_folder(artifacts / training.monitor / info.run_id)
    client.log_text(info.run_id, training.schema_json(), "features.json")
    with tempfile.TemporaryDirectory(dir=newest_scratch()) as folder:
        saved = Path(folder) / "model"
        _save_model(saved, training, pipeline, example)
        digests = {"model_sha256": digest_of((saved / "model.pkl").read_bytes())}
        client.log_artifacts(info.run_id, str(saved), "model")
    files = f"{training.monitor}/{info.run_id}/artifacts"
    written = {"model_file": f"{files}/model/model.pkl"}
    if judged is not None:
        client.log_artifact(info.run_id, str(judged))
        written["judged_file"] = f"{files}/{judged.name}"
        digests["judged_sha256"] = digest_of(judged.read_bytes())
    absent = [path for path in written.values() if not (artifacts / path).is_file()]
    # The example and the judged rows are of entities.
    make_private(artifacts / training.monitor / info.run_id)
    if absent:
        raise OutputError(f"MLflow wrote its artifacts elsewhere than to {artifacts / absent[0]}")
    document = training_text(training, run_id=info.run_id, **written, **digests)
    return {**tags, IDENTITY_TAG: training.identity, TRAINING_TAG: document}


def _save_model(folder: Path, training: Training, pipeline: Any, example: Mapping[str, Sequence[Any]]) -> None:
    import numpy as np
    import pandas as pd

    inputs = [ColSpec(_COLUMN_TYPES[item.kind], item.name, required=False) for item in training.features]
    numeric = training.label_kind is LabelKind.NUMERIC
    shape = (-1,) if numeric else (-1, len(training.classes) or 2)
    # MLflow warns of pickles. Driftgate checks the digest in the database before it loads one.
    logger = logging.getLogger("mlflow.sklearn")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # MLflow warns about a function of its own.
            warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType")
            mlflow.sklearn.save_model(
                pipeline,
                str(folder),
                serialization_format="pickle",
                signature=ModelSignature(Schema(inputs), Schema([TensorSpec(np.dtype("float64"), shape)])),
                input_example=pd.DataFrame({name: example[name] for name in training.feature_names}),
                pip_requirements=[f"scikit-learn=={training.sklearn}"],
                pyfunc_predict_fn="predict" if numeric else "predict_proba",
            )
    finally:
        logger.setLevel(level)


def _make_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
