"""A training and a batch as the flows return them, for tests of what is said of them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from driftgate.predictions.batch import Batch, BatchSummary
from driftgate.training.features import InputKind, ModelFeature
from driftgate.training.registry.models import Registered, TrainedVersion
from driftgate.training.registry.versions import Training

AT = datetime(2024, 4, 1, 5, 6, 7, tzinfo=UTC)


def training(metrics: Mapping[str, float]) -> Training:
    return Training(
        monitor="churn",
        as_of=date(2024, 1, 31),
        seed=42,
        validation_share=0.2,
        fingerprint="f" * 64,
        features=(ModelFeature("tickets", "support", "INT64", InputKind.NUMBER),),
        parameters={},
        metrics=metrics,
        train_rows=320,
        validation_rows=80,
        unlabelled_rows=3,
        sklearn="1.7.0",
    )


TRAINED = TrainedVersion("m", training({"auc": 0.25}), Registered("7", "champion", True))
BATCH = Batch("churn", "user_id", date(2024, 3, 31), "7", AT, Path("scores.arrow"), 9, Path("/p/20240401-050607.csv"))
SUMMARY = BatchSummary(UUID(int=1), AT, date(2024, 3, 31), "7", 9, 0.5, 0.1, 0.4, 0.9, 0.25)
