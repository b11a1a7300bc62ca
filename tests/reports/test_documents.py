"""What `train --json` and `predict --json` print; the architecture tests hold docs/reference/json.md against it."""

import json
import math
from dataclasses import replace

from driftgate.measures import LabelKind
from driftgate.reports.documents import batch_document, training_document
from driftgate.training.registry.models import Registered, TrainedVersion
from tests.reports.trainings import BATCH, SUMMARY, TRAINED, training


def test_a_training_says_what_was_trained_and_how_good_it_is() -> None:
    content = json.loads(training_document(TRAINED))
    assert (content["monitor"], content["model"], content["version"]) == ("churn", "m", "7")
    assert (content["alias"], content["created"], content["as_of"]) == ("champion", True, "2024-01-31")
    assert content["train_rows"] + content["validation_rows"] == 400
    assert content["metrics"]["auc"] == 0.25
    assert content["label_kind"] == "boolean"


def test_what_is_not_known_is_null() -> None:
    unknown = TrainedVersion("m", training({"auc": math.nan, "f1": math.inf}), Registered("8", "", False))
    content = json.loads(training_document(unknown))
    assert content["metrics"] == {"auc": None, "f1": None}
    assert (content["alias"], content["created"]) == (None, False)


def test_a_batch_says_what_was_scored_and_where_it_is() -> None:
    content = json.loads(batch_document(BATCH, SUMMARY))
    assert content["csv"] == "/p/20240401-050607.csv" and content["time"] == "2024-04-01T05:06:07+00:00"
    assert (content["rows"], content["mean"], content["positive_share"]) == (9, 0.5, 0.25)
    assert content["batch_id"] == str(SUMMARY.batch_id)
    numeric = replace(BATCH, kind=LabelKind.NUMERIC)
    assert json.loads(batch_document(numeric, SUMMARY))["label_kind"] == "numeric"
