"""The texts about a training: the line on standard output for scripts, and the Markdown page for people."""

import math
from collections.abc import Sequence

from driftgate.training.metrics import CalibrationBin
from driftgate.training.registry.models import TrainedVersion


def training_line(trained: TrainedVersion) -> str:
    """Return the line `[Train] ...`: the version, its alias ("none" where it has none), and its metrics."""
    training, registered = trained.training, trained.registered
    shown = " ".join(f"{name}={training.metrics[name]:.4f}" for name in ("auc", "f1", "accuracy", "log_loss"))
    return (
        f"[Train] model={trained.model} version={registered.version} alias={registered.alias or 'none'} "
        f"as_of={training.as_of} {shown} rows={training.train_rows + training.validation_rows}"
    )


def training_markdown(trained: TrainedVersion, calibration: Sequence[CalibrationBin]) -> str:
    """Return a page with the metrics of the validation users and the calibration of the probabilities."""
    training, registered = trained.training, trained.registered
    known = "" if registered.created else " The same training had been registered before; that version stays."
    lines = [
        f"# {trained.model} version {registered.version}" + (f", {registered.alias}" if registered.alias else ""),
        "",
        f"**{training.monitor}**, {training.as_of}, seed {training.seed}: fitted on {training.train_rows:,} users, "
        f"measured on {training.validation_rows:,} others; {training.unlabelled_rows:,} users without a label are left "
        f"out.{known}",
        "",
        "| metric of the validation users | |",
        "|---|---|",
        *(f"| {name} | {value:.4f} |" for name, value in training.metrics.items()),
        "",
        "| probability | users | mean probability | positive rate |",
        "|---|---|---|---|",
        *(
            f"| {part.low:.1f} to {part.high:.1f} | {part.rows:,} | {_plain(part.mean_probability)} | "
            f"{_plain(part.positive_rate)} |"
            for part in calibration
        ),
        "",
        f"Training set: SHA-256 `{training.fingerprint}`",
    ]
    return "\n".join(lines)


def _plain(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
