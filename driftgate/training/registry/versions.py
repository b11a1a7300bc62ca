"""The record of a version: its training and the place of its files. MLflow keeps it as JSON in a tag of the version."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Self

from driftgate.errors import ConfigurationError, reading
from driftgate.measures import LabelKind
from driftgate.training.features import InputKind, ModelFeature
from driftgate.training.threshold import EARLIER_THRESHOLD

# Driftgate's own tags of a model version. Reading them does not depend on what MLflow may change.
TRAINING_TAG = "driftgate.training"
REPLACED_TAG = "driftgate.replaced"


@dataclass(frozen=True)
class Training:
    """One training and its metrics.

    Attributes:
        monitor: heading in monitors.toml that gave entities, features and label.
        as_of: month of the training set.
        seed: of the split and of the trees.
        validation_share: share of entities that the split keeps for validation.
        fingerprint: SHA-256 of the training set.
        features: inputs of the model, in order.
        parameters: of the trees.
        metrics: of the validation entities.
        train_rows: entities it was fitted on.
        validation_rows: entities it was measured on.
        unlabelled_rows: entities of the month that were left out, because they have no label.
        sklearn: version of scikit-learn; another may not read the model.
        label_kind: of the label that it predicts.
        classes: of a categorical label, in the order of the model's probabilities; else empty.
        threshold: probability from which a boolean label is predicted to be true; None for any other.
        group: column by which the entities were split, where they depend on each other; else empty.
    """

    monitor: str
    as_of: date
    seed: int
    validation_share: float
    fingerprint: str
    features: tuple[ModelFeature, ...]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    train_rows: int
    validation_rows: int
    unlabelled_rows: int
    sklearn: str
    label_kind: LabelKind = field(default=LabelKind.BOOLEAN, kw_only=True)
    classes: tuple[str, ...] = field(default=(), kw_only=True)
    threshold: float | None = field(default=EARLIER_THRESHOLD, kw_only=True)
    group: str = field(default="", kw_only=True)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns that the model reads, in order."""
        return tuple(item.name for item in self.features)

    @property
    def identity(self) -> str:
        """The SHA-256 over everything that trees and threshold depend on: equal identities mean equal models."""
        inputs = [
            self.monitor,
            str(self.as_of),
            self.seed,
            self.validation_share,
            self.fingerprint,
            [asdict(item) for item in self.features],
            dict(self.parameters),
            self.sklearn,
        ]
        if self.label_kind is not LabelKind.BOOLEAN:
            # Trainings of earlier releases, all of boolean labels, keep their identities.
            inputs.append(self.label_kind)
        elif self.threshold != EARLIER_THRESHOLD:
            # The rule and not the number, whose last digits may follow the order in which threads add up.
            inputs.append("the threshold with the greatest F1")
        if self.group:
            inputs.append(f"split by {self.group}")
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    def schema_json(self) -> str:
        """Return the inputs as an indented JSON document."""
        return json.dumps([asdict(item) for item in self.features], indent=2) + "\n"


@dataclass(frozen=True)
class VersionInfo(Training):
    """A registered version.

    Attributes:
        name: registered model.
        version: as the registry counts, "1" for the first.
        run_id: of the MLflow run that made it.
        model_file: the pickled pipeline, relative to the artifacts folder.
        model_sha256: of that file.
        judged_file: Arrow IPC file of the labelled entities, relative to the artifacts folder; empty where none is.
        judged_sha256: of that file; empty where an earlier release registered it.
    """

    name: str
    version: str
    run_id: str
    model_file: str
    model_sha256: str
    judged_file: str = ""
    judged_sha256: str = ""

    @property
    def label(self) -> str:
        """Name and version, as messages say them."""
        return f"{self.name} version {self.version}"

    @classmethod
    def read(cls, name: str, version: str, text: str) -> Self:
        """Read a version from the text of the tag `driftgate.training`.

        Raises:
            ConfigurationError: it is not as this release writes it.
        """
        with reading(
            f"the tag {TRAINING_TAG} of {name} version {version}",
            ConfigurationError,
            allowed="the record of a training as this release of Driftgate writes it",
            remedy="train again, and `driftgate promote VERSION`",
        ):
            return cls._read(name, version, text)

    @classmethod
    def _read(cls, name: str, version: str, text: str) -> Self:
        values = json.loads(text)
        features = tuple(ModelFeature(**{**item, "kind": InputKind(item["kind"])}) for item in values.pop("features"))
        given: dict[str, Any] = {
            "as_of": date.fromisoformat(values.pop("as_of")),
            # Earlier releases knew boolean labels alone.
            "label_kind": LabelKind(values.pop("label_kind", LabelKind.BOOLEAN)),
            "classes": tuple(values.pop("classes", ())),
        }
        boolean = given["label_kind"] is LabelKind.BOOLEAN
        threshold = values.setdefault("threshold", EARLIER_THRESHOLD if boolean else None)
        if boolean and not 0.0 <= threshold <= 1.0:
            raise ValueError(f"the threshold {threshold} is no probability")
        return cls(name=name, version=version, features=features, **given, **values)


def training_text(training: Training, **files: str) -> str:
    """Return the text of the tag `driftgate.training`; `files` are the fields that only a registered version has."""
    values = {**asdict(training), "as_of": str(training.as_of), **files}
    return json.dumps(values, sort_keys=True, allow_nan=False)
