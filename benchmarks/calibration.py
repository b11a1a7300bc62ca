"""Whether a calibrator lowers the model's calibration error, and what its threshold brings. Prints Markdown.

    python -m benchmarks.calibration --rounds 20
    python -m benchmarks.calibration --rounds 20 --months DIR

Without DIR the months are those that `driftgate sample` writes; DIR holds month folders like theirs. In each round the
entities of a month are split anew, by the split of a training. The model is fitted on the training entities, as it is
and with a calibrator of scikit-learn on its out-of-fold scores of the same entities. All are measured on the others.
The threshold is chosen on one half of the others and measured on the other half. The rounds share entities, so that
the standard errors are too small.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold

from driftgate.measures import LabelKind, values_of
from driftgate.snapshots.folders import month_folders
from driftgate.snapshots.read import read_month
from driftgate.training.features import InputKind, ModelFeature
from driftgate.training.metrics import accuracy, f1
from driftgate.training.pipeline import fit_pipeline
from driftgate.training.split import validation_mask
from driftgate.training.threshold import EARLIER_THRESHOLD, best_threshold, positives_of
from streamflow.sample import write_sample_months
from streamflow.source_tables import KEY, SOURCE_TABLES

FOLDS = 5
MEASURES = ("calibration_error", "log_loss", "auc")
NAMES = {
    InputKind.NUMBER: (
        *("months_active", "monthly_fee", "watch_hours_30d", "avg_session_mins_7d", "unique_devices_30d", "skips_7d"),
        *("rebuffer_events_7d", "failed_payments_90d", "support_tickets_90d", "ticket_avg_resolution_hrs_90d"),
    ),
    InputKind.BOOLEAN: ("paperless_billing", "plan_stream_tv", "plan_stream_movies"),
    InputKind.CATEGORY: ("net_service",),
}
FEATURES = tuple(ModelFeature(name, "", "", kind) for kind, names in NAMES.items() for name in names)

Columns = dict[str, list[Any]]


def read(folder: Path) -> tuple[Columns, np.ndarray, list[str]]:
    """The features, labels and keys of a month's labelled users."""
    files = read_month(SOURCE_TABLES, folder)
    parts = [file.data for file in files.values() if file.data is not None]
    table = reduce(lambda left, right: left.join(right, KEY), parts).sort_by(KEY)
    table = table.filter(table.column("churn_label").is_valid())
    columns = {item.name: table.column(item.name).to_pylist() for item in FEATURES}
    return columns, np.array(table.column("churn_label").to_pylist(), dtype=np.float64), table.column(KEY).to_pylist()


def scored(columns: Columns, labels: np.ndarray, held_out: np.ndarray, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """The probabilities of the held-out entities, as the model gives them and by each calibrator."""
    train = {
        name: [value for value, out in zip(values, held_out, strict=True) if not out]
        for name, values in columns.items()
    }
    encoder, trees = (step for _, step in fit_pipeline(train, labels[~held_out], FEATURES, seed).steps)
    matrix = encoder.transform(columns)
    yield "none", trees.predict_proba(matrix[held_out])[:, 1]
    for method in ("sigmoid", "isotonic"):
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        # One calibrator on all out-of-fold scores, of the same trees.
        calibrated = CalibratedClassifierCV(trees, method=method, cv=folds, ensemble=False)
        calibrated.fit(matrix[~held_out], labels[~held_out])
        yield method, calibrated.predict_proba(matrix[held_out])[:, 1]


def thresholds(labels: np.ndarray, scores: np.ndarray) -> list[float]:
    """The threshold of one half, F1 there; on the other half F1 and accuracy at it and at 0.5, and the share called."""
    first = np.arange(len(labels)) % 2 == 0
    chosen = best_threshold(labels[first], scores[first])
    rest = labels[~first], scores[~first]
    figures = [call(*rest, at) for call in (f1, accuracy) for at in (chosen, EARLIER_THRESHOLD)]
    return [chosen, f1(labels[first], scores[first], chosen), *figures, float(positives_of(rest[1], chosen).mean())]


def printed(name: str, rounds: Sequence[tuple[dict[str, dict[str, float]], list[float]]]) -> tuple[list[str], str]:
    """The rows of a month in the two tables: means, and the mean change of a calibrator with its standard error."""
    rows = []
    for method in rounds[0][0]:
        cells = []
        for measure in MEASURES:
            values = np.array([found[method][measure] for found, _ in rounds])
            change = values - [found["none"][measure] for found, _ in rounds]
            error = change.std(ddof=1) / np.sqrt(len(change))
            cells.append(
                f"{values.mean():.4f}" + (f" ({change.mean():+.4f} ± {error:.4f})" if method != "none" else "")
            )
        chance = np.mean([found[method].get("by_chance", np.nan) for found, _ in rounds])
        cells.insert(1, "" if np.isnan(chance) else f"{chance:.4f}")
        rows.append(f"| {name} | {method} | {' | '.join(cells)} |")
    means = np.mean([figures for _, figures in rounds], axis=0)
    return rows, f"| {name} | {' | '.join(f'{value:.3f}' for value in means)} |"


def measured(folder: Path, rounds: int) -> Iterator[tuple[dict[str, dict[str, float]], list[float]]]:
    """Each measure by calibrator, and the figures of the threshold, in each round."""
    columns, labels, keys = read(folder)
    for seed in range(rounds):
        held_out = validation_mask(keys, seed)
        found = dict(scored(columns, labels, held_out, seed))
        values = {method: values_of(LabelKind.BOOLEAN, labels[held_out], scores) for method, scores in found.items()}
        # What a model whose probabilities are exactly right has at this number of entities.
        drawn = (np.random.default_rng(seed).random(held_out.sum()) < found["none"]).astype(np.float64)
        values["none"]["by_chance"] = values_of(LabelKind.BOOLEAN, drawn, found["none"])["calibration_error"]
        yield values, thresholds(labels[held_out], found["none"])


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--users", type=int, default=7043)
    parser.add_argument("--months", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.months is None:
            write_sample_months(Path(folder), months=3, users=options.users)
        found = [
            printed(str(day), list(measured(path, options.rounds)))
            for path, day in month_folders(options.months or Path(folder))
        ]
    print(
        "| month | calibrator | calibration error | by chance | log loss | AUC |\n| --- | --- | --- | --- | --- | --- |"
    )
    print("\n".join(row for rows, _ in found for row in rows))
    print("\n| month | threshold | F1 where chosen | F1 elsewhere | F1 at 0.5 | accuracy | at 0.5 | called positive |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(row for _, row in found))


if __name__ == "__main__":
    main()
