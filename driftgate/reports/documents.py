"""A training and a batch of predictions as the JSON documents of `--json`; docs/reference/json.md describes them."""

import math
from datetime import UTC

from driftgate.predictions.batch import Batch, BatchSummary
from driftgate.reports.terminal import json_text
from driftgate.training.registry.models import TrainedVersion


def training_document(trained: TrainedVersion) -> str:
    """The JSON document of `driftgate train --json`."""
    training, registered = trained.training, trained.registered
    return json_text(
        {
            "monitor": training.monitor,
            "model": trained.model,
            "version": registered.version,
            "alias": registered.alias or None,
            "created": registered.created,
            "as_of": str(training.as_of),
            "label_kind": training.label_kind,
            "seed": training.seed,
            "train_rows": training.train_rows,
            "validation_rows": training.validation_rows,
            "unlabelled_rows": training.unlabelled_rows,
            "threshold": training.threshold,
            "features": list(training.feature_names),
            "fingerprint": training.fingerprint,
            # What is not known is null, as JSON has no NaN.
            "metrics": {name: value if math.isfinite(value) else None for name, value in training.metrics.items()},
        }
    )


def batch_document(batch: Batch, summary: BatchSummary) -> str:
    """The JSON document of `driftgate predict --json`."""
    return json_text(
        {
            "monitor": batch.monitor,
            "as_of": str(batch.as_of),
            "model_version": batch.model_version,
            "label_kind": batch.kind,
            "batch_id": str(summary.batch_id),
            "time": batch.time.astimezone(UTC).isoformat(),
            "csv": str(batch.path),
            "rows": summary.count,
            "mean": summary.mean,
            "p05": summary.p05,
            "p50": summary.p50,
            "p95": summary.p95,
            "threshold": batch.threshold if summary.positive_share is not None else None,
            "positive_share": summary.positive_share,
        }
    )
