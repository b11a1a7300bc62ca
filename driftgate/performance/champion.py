"""The champion as evaluation model: the registered version with its scores of its own validation entities."""

import math
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from driftgate.errors import ConfigurationError, DataError
from driftgate.measures import WRONG_SCORES, LabelKind, measures_of, unusable_scores
from driftgate.performance.bootstrap import Scored
from driftgate.performance.evaluation_model import EvaluationModel, texts
from driftgate.performance.result import PassedOver
from driftgate.training.dataset import class_numbers
from driftgate.training.metrics import metrics_of
from driftgate.training.model import TrainedModel
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.registry.versions import VersionInfo
from driftgate.training.scoring import read_scores

# The same formulas on the same numbers differ by rounding only.
_TOLERANCE = 1e-6


def find_champion(
    registry: ModelRegistry, as_of: date, group: str = ""
) -> tuple[VersionInfo | None, PassedOver | None]:
    """The model to measure on a month: the champion, or the one before it that was trained on an earlier month.

    A model is never measured on the month that it was trained on, nor on an earlier one: it has learnt from it, or it
    did not serve then. Nor is one whose validation was not split by the monitor's groups: it has seen the day that it
    was validated on.

    Args:
        registry: of the monitor's model.
        as_of: the current month.
        group: column by which the monitor's entities depend on each other; empty where each stands alone.

    Returns:
        The version, None where none of the champion and those it replaced was trained before `as_of`, and by these
        groups; and the champion where it is passed over for that reason.

    Raises:
        ConfigurationError: the champion was not trained by Driftgate.
        DatabaseError: the database refuses or cannot be reached.
    """
    champion = registry.champion_info()
    if champion is None or _usable(champion, as_of, group):
        return champion, None
    earlier = (info for info in registry.replaced_by(champion) if _usable(info, as_of, group))
    wrong = "" if champion.group == group else split_text(champion.group)
    return next(earlier, None), PassedOver(champion.version, champion.as_of, as_of, wrong)


def _usable(info: VersionInfo, as_of: date, group: str) -> bool:
    return info.as_of < as_of and info.group == group


def split_text(group: str) -> str:
    """How a training and its validation were divided, in words."""
    return f"split by {group}" if group else "split without groups"


def load_evaluation_model(registry: ModelRegistry, info: VersionInfo) -> tuple[EvaluationModel, TrainedModel]:
    """Load a version to score with, and the users of its training.

    Raises:
        ConfigurationError: the version's files are absent, or are not those of its training.
        DatabaseError: the database refuses or cannot be reached.
    """
    model = registry.load(info.version)
    try:
        rows = registry.judged(info)
        held_out = rows.filter(rows.column("validation"))
        units = "group" if info.group else "key"
        seen = texts(rows.filter(pc.invert(rows.column("validation"))).column(units))
        keys = texts(held_out.column("key"))
        groups = texts(held_out.column("group")) if info.group else None
        labels, scores = _labels(held_out, info), read_scores(held_out)
    except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise _not_its_entities(info, f"cannot be read: {str(error)[:300]}") from error
    _require_recorded(info, len(seen), labels, scores)
    validation = Scored(keys, labels, scores, info.label_kind, groups)
    known = info.version, info.as_of, info.features, seen, validation, info.classes, info.threshold
    return EvaluationModel(*known), model


def _labels(rows: pa.Table, info: VersionInfo) -> NDArray[np.float64]:
    if info.label_kind is LabelKind.CATEGORICAL:
        return class_numbers(texts(rows.column("label")), info.classes)
    values: NDArray[np.float64] = rows.column("label").to_numpy().astype(np.float64)
    return values


def _require_recorded(info: VersionInfo, seen: int, labels: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
    """Check that the file of a training's entities agrees with the training's record in the database."""
    if (seen, len(labels)) != (info.train_rows, info.validation_rows):
        raise _not_its_entities(
            info,
            f"are {seen} of training and {len(labels)} of validation, and {info.train_rows} and "
            f"{info.validation_rows} were recorded",
        )
    kind = info.label_kind
    _require_usable(info, labels, scores)
    try:
        measured = metrics_of(kind, labels, scores, info.threshold)
    except DataError as error:
        raise _not_its_entities(info, f"give no {measures_of(kind)[0].short}: {error.received}") from error
    for name in (measure.name for measure in measures_of(kind)):
        recorded = info.metrics.get(name)
        if recorded is not None and not math.isclose(measured[name], recorded, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            raise _not_its_entities(
                info, f"give a {name} of {measured[name]:.6f}, and its training recorded {recorded:.6f}"
            )


def _require_usable(info: VersionInfo, labels: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
    kind = info.label_kind
    of_one_kind = (scores.ndim == 2) == (kind is LabelKind.CATEGORICAL)
    if not of_one_kind or (scores.ndim == 2 and scores.shape[1] != len(info.classes)):
        raise _not_its_entities(info, f"have scores of another shape than those of a {kind} label")
    if unusable_scores(kind, scores).any():
        raise _not_its_entities(info, f"have scores that {WRONG_SCORES[kind][0]}")
    if kind is LabelKind.BOOLEAN and not np.isin(labels, (0.0, 1.0)).all():
        raise _not_its_entities(info, "have labels other than 0 and 1")
    if not np.isfinite(labels).all():
        raise _not_its_entities(info, "have labels that are no finite numbers")


def _not_its_entities(info: VersionInfo, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"the entities of the training of {info.label}, in {info.judged_file}, {what}",
        remedy="restore the folder MLFLOW_ARTIFACTS from a copy, or train again",
    )
