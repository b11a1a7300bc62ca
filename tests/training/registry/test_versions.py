"""The record of a version: read as it was written, and equal identities mean equal trainings."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from driftgate.errors import ConfigurationError
from driftgate.measures import LabelKind
from driftgate.training.registry.versions import Training, VersionInfo, training_text

Build = Callable[..., Training]
FILES = {"run_id": "r", "model_file": "m.pkl", "model_sha256": "0" * 64, "judged_file": "j.arrow"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"threshold": 0.1 + 0.2},
        {"label_kind": LabelKind.NUMERIC, "threshold": None},
        {"label_kind": LabelKind.CATEGORICAL, "classes": ("a", "b"), "threshold": None},
        {"monitor": 'a "quoted" name', "metrics": {"auc": 1 / 3}},
    ],
)
def test_it_is_read_as_it_was_written(training: Build, more: dict[str, object]) -> None:
    written = training(**more)
    read = VersionInfo.read("churn", "3", training_text(written, **FILES))
    assert {name: getattr(read, name) for name in vars(written)} == vars(written)
    assert (read.label, read.model_file, read.identity) == ("churn version 3", "m.pkl", written.identity)


def test_a_version_of_a_release_that_knew_boolean_labels_alone_is_read(training: Build) -> None:
    values = json.loads(training_text(training(), **FILES))
    del values["label_kind"], values["classes"], values["judged_file"]
    read = VersionInfo.read("churn", "1", json.dumps(values))
    assert (read.label_kind, read.classes, read.judged_file) == (LabelKind.BOOLEAN, (), "")
    assert read.identity == training().identity


@pytest.mark.parametrize(
    ("kind", "threshold"), [(LabelKind.BOOLEAN, 0.5), (LabelKind.NUMERIC, None), (LabelKind.CATEGORICAL, None)]
)
def test_a_version_of_a_release_without_thresholds_goes_on_as_before(
    training: Build, kind: LabelKind, threshold: float | None
) -> None:
    values = json.loads(training_text(training(label_kind=kind), **FILES))
    del values["threshold"]
    assert VersionInfo.read("churn", "1", json.dumps(values)).threshold == threshold


@pytest.mark.parametrize("threshold", [-0.1, 1.1, None, "0.3"])
def test_a_boolean_label_without_a_usable_threshold_is_not_read(training: Build, threshold: object) -> None:
    values = json.loads(training_text(training(), **FILES)) | {"threshold": threshold}
    with pytest.raises(ConfigurationError, match=r"driftgate\.training of churn version 1 cannot be read"):
        VersionInfo.read("churn", "1", json.dumps(values))


def test_the_identity_is_of_what_trees_and_threshold_depend_on(training: Build) -> None:
    same = training(metrics={"auc": 0.1}, train_rows=1, validation_rows=2, unlabelled_rows=0)
    assert same.identity == training().identity
    # The last digits of a threshold may follow the order in which threads add up.
    assert training(threshold=0.3).identity == training(threshold=0.30000001).identity
    others = [
        training(monitor="m"),
        training(as_of=date(2024, 2, 29)),
        training(seed=43),
        training(validation_share=0.3),
        training(fingerprint="0" * 64),
        replace(training(), features=training().features[:1]),
        training(parameters={}),
        training(sklearn="0"),
        training(label_kind=LabelKind.NUMERIC, threshold=None),
        training(threshold=0.3),
    ]
    assert len({training().identity, *(item.identity for item in others)}) == len(others) + 1
