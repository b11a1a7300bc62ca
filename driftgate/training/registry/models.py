"""The registered model: its versions, which of them serves, and how to load one. Only writing needs mlflow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.database import ConnectionParameters
from driftgate.errors import ConfigurationError, DataError, bounded
from driftgate.training.model import TrainedModel
from driftgate.training.registry.artifacts import are_whole, read_judged, read_pipeline
from driftgate.training.registry.mlflow_tables import MlflowTables
from driftgate.training.registry.versions import REPLACED_TAG, TRAINING_TAG, Training, VersionInfo

if TYPE_CHECKING:
    import pyarrow as pa

    from driftgate.training.registry.mlflow_adapter import MlflowStore

CHAMPION = "champion"
CHALLENGER = "challenger"
# Alike enough that one name is rather the other one with a typing error.
_ALIKE = 0.8


@dataclass(frozen=True)
class Registered:
    """The result of registering a training.

    Attributes:
        alias: "champion", "challenger", or "" for a version that is neither.
        created: False where the same training was registered already.
    """

    version: str
    alias: str
    created: bool


@dataclass(frozen=True)
class TrainedVersion:
    """A training with its version of the registered model."""

    model: str
    training: Training
    registered: Registered


class ModelRegistry:
    """One registered model. Threads may share it; `close` releases its connections.

    Every method raises DatabaseError where the database refuses, and DatabaseUnavailableError where it cannot be
    reached.
    """

    def __init__(self, parameters: ConnectionParameters, artifacts: Path, name: str) -> None:
        """Open no connection before the first query.

        Args:
            parameters: database that holds MLflow's schema.
            artifacts: absolute folder of the trained models.
            name: registered model.
        """
        self.parameters = parameters
        self.artifacts = artifacts
        self.name = name
        self._tables = MlflowTables(parameters, name)

    @cached_property
    def _mlflow(self) -> "MlflowStore":
        from driftgate.training.registry.mlflow_adapter import MlflowStore

        return MlflowStore(self.parameters, self.artifacts, self.name)

    def close(self) -> None:
        """Close idle connections; the registry may be used again."""
        self._tables.close()

    def champion(self) -> str | None:
        """Return the version that serves, by one query of less than a millisecond; None where there is none yet."""
        return self._tables.alias(CHAMPION)

    def challenger(self) -> str | None:
        """Return the newest version where it is not the champion; None where there is none."""
        return self._tables.alias(CHALLENGER)

    def require_champion(self) -> str:
        """Return the version that serves.

        Raises:
            DataError: no version serves.
        """
        version = self.champion()
        if version is None:
            raise DataError(
                f"the model {self.name} has no champion",
                allowed=f"versions: {bounded(self.versions())}; models that have one: {bounded(self._tables.models())}",
                remedy="correct the key `model` of the monitor, or train one with `driftgate train`; the first becomes "
                "the champion",
            )
        return version

    def require_champion_or_untrained(self, monitor: str, measured: bool) -> None:
        """Check that a model without a champion was never trained: only then may a probe stand in.

        A name with a typing error, a model that was deleted and a registry that was lost look alike from here: there is
        no such model. What was trained for the monitor, its earlier verdicts and names that are alike tell them from a
        model that is still to be trained.

        Args:
            monitor: names this model.
            measured: whether a champion was measured for an earlier verdict of the monitor.

        Raises:
            ConfigurationError: it has versions and no champion, or something speaks for another name.
        """
        if self.champion() is not None:
            return
        # A training makes its version first and the champion then.
        with self._tables.only_one("looking for the champion"):
            champion, versions = self.champion(), self.versions()
        if champion is not None:
            return
        if versions:
            raise ConfigurationError(
                f"the model {self.name} of the monitor {monitor!r} has versions and no champion",
                allowed=f"one of the versions {bounded(versions)} as champion",
                remedy="`driftgate promote VERSION` makes it the champion",
            )
        self._require_untrained(monitor, measured)

    def _require_untrained(self, monitor: str, measured: bool) -> None:
        known, own = self._tables.models(), self._tables.models_of(monitor)
        near = get_close_matches(self.name, own, n=1, cutoff=0.0) or get_close_matches(self.name, known, 1, _ALIKE)
        if own:
            why = f"and was trained as {bounded(own)}"
        elif measured:
            why = "and a champion was measured for its earlier verdicts"
        elif near:
            why = "but one with a name like it"
        else:
            return
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(
            f"the monitor {monitor!r} names the model {self.name!r}, which does not exist, {why}{meant}",
            allowed=f"a model that exists: {bounded(known)}",
            remedy="correct the key `model` in monitors.toml; a new model is trained first, by "
            f"`driftgate train --monitor {monitor}`; without the key a probe measures the performance",
        )

    def versions(self) -> list[str]:
        """All versions, oldest first."""
        return self._tables.versions()

    def version_info(self, version: str) -> VersionInfo:
        """Return what is recorded of a version's training.

        Raises:
            DataError: there is no such version, or it was not trained by Driftgate.
            ConfigurationError: it was recorded by another release.
        """
        found = self._tables.tag(version, TRAINING_TAG)
        if found is None:
            raise DataError(
                f"{self.name} has no version {version!r} that Driftgate trained", allowed=bounded(self.versions())
            )
        return VersionInfo.read(self.name, version, found)

    def champion_info(self) -> VersionInfo | None:
        """Return what is recorded of the champion's training; None where there is no champion.

        Raises:
            ConfigurationError: the champion is a version that Driftgate did not train.
            DatabaseError: the database refuses or cannot be reached.
        """
        version = self.champion()
        if version is None:
            return None
        try:
            return self.version_info(version)
        except DataError as error:
            # This is a fault of the registry, not of the month's data, so it must not be a DataError.
            raise ConfigurationError(
                error.received,
                allowed=error.allowed,
                remedy="make a version the champion that Driftgate trained: `driftgate promote VERSION`",
            ) from error

    def replaced_by(self, info: VersionInfo) -> Iterator[VersionInfo]:
        """The versions that served before a version did, newest first, as far as Driftgate trained them."""
        seen = {info.version}
        version = self._tables.tag(info.version, REPLACED_TAG)
        # A rollback and a promotion make two versions replace each other.
        while version is not None and version not in seen:
            seen.add(version)
            try:
                yield self.version_info(version)
            except DataError:
                return
            version = self._tables.tag(version, REPLACED_TAG)

    def load(self, version: str) -> TrainedModel:
        """Read a version from the artifacts folder, after a check of its digest.

        Raises:
            DataError: there is no such version.
            ConfigurationError: its file is absent or not the registered one, or scikit-learn has another version.
        """
        info = self.version_info(version)
        pipeline = read_pipeline(self.artifacts, info)
        return TrainedModel(self.name, version, info.feature_names, pipeline, info.label_kind, info.threshold)

    def judged(self, info: VersionInfo) -> "pa.Table":
        """Return the labelled entities of a version's training: `key` (text), `label`, `validation`, its `score`.

        Raises:
            ConfigurationError: the version was registered without them, or the file is absent.
        """
        return read_judged(self.artifacts, info)

    def register(
        self,
        training: Training,
        pipeline: Any,
        example: Mapping[str, Sequence[Any]],
        judged: Path | None = None,
    ) -> Registered:
        """Record a training as a version: the first becomes the champion, later ones the challenger.

        A training with the same data, seed, parameters and packages as an earlier one gives the earlier version.

        Args:
            training: what it was trained on, and its metrics.
            pipeline: fitted scikit-learn pipeline.
            example: a few rows of input, by feature.
            judged: Arrow IPC file of the labelled entities, see `judged`.

        Raises:
            OutputError: the artifacts folder is not writable.
        """
        with self._tables.only_one("registering the model"):
            if unfinished := self._tables.unfinished_runs():
                self._mlflow.end_runs(unfinished)
            version = self._same(training)
            created = version is None
            if version is None:
                version = self._mlflow.record(training, pipeline, example, judged)
            champion, challenger = self.champion(), self.challenger()
            if champion is None:
                self._mlflow.set_alias(CHAMPION, version)
            elif int(version) > max(int(champion), int(challenger or 0)):
                self._mlflow.set_alias(CHALLENGER, version)
            return Registered(version, self._alias_of(version), created)

    def log_metrics(self, version: str, metrics: Mapping[str, float]) -> None:
        """Write further metrics beside those of a version's training.

        Raises:
            DataError: there is no such version.
        """
        self._mlflow.log_metrics(self.version_info(version).run_id, metrics)

    def promote(self, version: str, over: str | None = None) -> None:
        """Make a version the champion in one step, after a check that it loads; `rollback` undoes it.

        Args:
            version: the new champion.
            over: the champion that it was compared with; None where it was compared with none.

        Raises:
            DataError: there is no such version, or the champion is no longer `over`.
            ConfigurationError: it cannot be loaded.
        """
        self.load(version)
        with self._tables.only_one("promoting a version"):
            champion = self.champion()
            if over is not None and champion not in (over, version):
                raise DataError(
                    f"{self.name} version {version} was held against version {over}, and version {champion} is the "
                    "champion by now",
                    remedy="run `driftgate retrain` again",
                )
            if champion is not None and champion != version:
                self._mlflow.set_tag(version, REPLACED_TAG, champion)
            self._mlflow.set_alias(CHAMPION, version)
            if self.challenger() == version:
                self._mlflow.remove_alias(CHALLENGER)

    def rollback(self) -> str:
        """Make the version champion again that the present champion replaced; return it.

        Raises:
            DataError: there is no champion, or the champion replaced no version.
            ConfigurationError: the earlier version cannot be loaded.
        """
        with self._tables.only_one("rolling back"):
            champion = self.require_champion()
            earlier = self._tables.tag(champion, REPLACED_TAG)
            if earlier is None:
                raise DataError(
                    f"the champion of {self.name}, version {champion}, replaced no other",
                    allowed=bounded(self.versions()),
                    remedy="promote one of these versions instead, by `driftgate promote VERSION`",
                )
            self.load(earlier)
            self._mlflow.set_alias(CHAMPION, earlier)
            return earlier

    def _alias_of(self, version: str) -> str:
        return next((alias for alias in (CHAMPION, CHALLENGER) if self._tables.alias(alias) == version), "")

    def _same(self, training: Training) -> str | None:
        """Return the newest version of the same training whose files are there as they were registered.

        Raises:
            ConfigurationError: the tag of such a version names a file outside the artifacts folder.
        """
        for version in self._tables.with_identity(training.identity):
            if are_whole(self.artifacts, self.version_info(version)):
                return version
        return None
