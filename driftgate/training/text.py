"""The texts about a training: the line on standard output for scripts, and the Markdown page for people."""

import math
from collections.abc import Sequence

from driftgate.training.metrics import SHOWN, CalibrationBin
from driftgate.training.registry.models import TrainedVersion
from driftgate.training.registry.versions import Training


def training_line(trained: TrainedVersion) -> str:
    """Return the line `[Train] ...`: the version, its alias ("none" where it has none), and its metrics."""
    training, registered = trained.training, trained.registered
    shown = " ".join(f"{name}={training.metrics[name]:.4f}" for name in SHOWN[training.label_kind])
    if training.threshold is not None:
        shown += f" threshold={training.threshold}"
    return (
        f"[Train] model={trained.model} version={registered.version} alias={registered.alias or 'none'} "
        f"as_of={training.as_of} {shown} rows={training.train_rows + training.validation_rows}"
    )


def training_markdown(trained: TrainedVersion, calibration: Sequence[CalibrationBin]) -> str:
    """Return a page with the metrics of the validation entities and the calibration of the probabilities."""
    training, registered = trained.training, trained.registered
    known = "" if registered.created else " The same training had been registered before; that version stays."
    lines = [
        f"# {trained.model} version {registered.version}" + (f", {registered.alias}" if registered.alias else ""),
        "",
        f"**{training.monitor}**, {training.as_of}, seed {training.seed}: fitted on {training.train_rows:,} entities, "
        f"measured on {training.validation_rows:,} others; {training.unlabelled_rows:,} entities without a label are "
        f"left out.{known}",
        "",
        "| metric of the validation entities | |",
        "|---|---|",
        *(f"| {name} | {value:.4f} |" for name, value in training.metrics.items()),
        "",
        *_threshold_lines(training),
        *_calibration_lines(calibration),
        f"Training set: SHA-256 `{training.fingerprint}`",
    ]
    return "\n".join(lines)


def _threshold_lines(training: Training) -> list[str]:
    if training.threshold is None:
        return []
    return [f"It predicts 1 from a probability of {training.threshold} on, which has the greatest F1 of these.", ""]


def _calibration_lines(calibration: Sequence[CalibrationBin]) -> list[str]:
    if not calibration:
        return []
    return [
        "| probability | entities | mean probability | positive rate |",
        "|---|---|---|---|",
        *(
            f"| {part.low:.1f} to {part.high:.1f} | {part.rows:,} | {_plain(part.mean_probability)} | "
            f"{_plain(part.positive_rate)} |"
            for part in calibration
        ),
        "",
    ]


def _plain(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
