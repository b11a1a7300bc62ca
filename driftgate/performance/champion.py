"""The champion as evaluation model: the registered version with its scores of its own validation entities."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from driftgate.errors import ConfigurationError, DataError
from driftgate.performance.bootstrap import Scored
from driftgate.performance.evaluation_model import EvaluationModel, texts
from driftgate.performance.result import PassedOver
from driftgate.training.metrics import all_metrics
from driftgate.training.model import TrainedModel
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.registry.versions import VersionInfo

# The same formulas on the same numbers differ by rounding only.
_TOLERANCE = 1e-6


def find_champion(registry: ModelRegistry, as_of: date) -> tuple[VersionInfo | None, PassedOver | None]:
    """The model to measure on a month: the champion, or the one before it that was trained on an earlier month.

    A model is never measured on the month that it was trained on, nor on an earlier one: it has learnt from it, or it
    did not serve then.

    Returns:
        The version, None where none of the champion and those it replaced was trained before `as_of`; and the champion
        where it is passed over for that reason.

    Raises:
        ConfigurationError: the champion was not trained by Driftgate.
        DatabaseError: the database refuses or cannot be reached.
    """
    champion = registry.champion_info()
    if champion is None or champion.as_of < as_of:
        return champion, None
    earlier = (info for info in registry.replaced_by(champion) if info.as_of < as_of)
    return next(earlier, None), PassedOver(champion.version, champion.as_of, as_of)


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
        seen = texts(rows.filter(pc.invert(rows.column("validation"))).column("key"))
        keys = texts(held_out.column("key"))
        labels = held_out.column("label").to_numpy().astype(np.float64)
        scores = held_out.column("score").to_numpy().astype(np.float64)
    except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise _not_its_entities(info, f"cannot be read: {str(error)[:300]}") from error
    _require_recorded(info, len(seen), labels, scores)
    return EvaluationModel(info.version, info.as_of, info.features, seen, Scored(keys, labels, scores)), model


def _require_recorded(info: VersionInfo, seen: int, labels: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
    """Check that the file of a training's entities agrees with the training's record in the database."""
    if (seen, len(labels)) != (info.train_rows, info.validation_rows):
        raise _not_its_entities(
            info,
            f"are {seen} of training and {len(labels)} of validation, and {info.train_rows} and "
            f"{info.validation_rows} were recorded",
        )
    if not (np.isin(labels, (0.0, 1.0)).all() and ((scores >= 0.0) & (scores <= 1.0)).all()):
        raise _not_its_entities(info, "have labels other than 0 and 1, or scores that are no probabilities")
    try:
        measured = all_metrics(labels, scores)
    except DataError as error:
        raise _not_its_entities(info, f"give no AUC: {error.received}") from error
    for name in ("auc", "log_loss", "positive_rate"):
        recorded = info.metrics.get(name)
        if recorded is not None and not abs(measured[name] - recorded) <= _TOLERANCE:
            raise _not_its_entities(
                info, f"give a {name} of {measured[name]:.6f}, and its training recorded {recorded:.6f}"
            )


def _not_its_entities(info: VersionInfo, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"the entities of the training of {info.label}, in {info.judged_file}, {what}",
        remedy="restore the folder MLFLOW_ARTIFACTS from a copy, or train again",
    )
