"""The champion as a judge: the registered model, and how it did on its own validation users."""

from datetime import date

import numpy as np
import pyarrow.compute as pc

from driftgate.errors import ConfigurationError
from driftgate.performance.bootstrap import Scored
from driftgate.performance.judge import Judge, texts
from driftgate.performance.relations import auc
from driftgate.training.model import TrainedModel
from driftgate.training.registry import ModelRegistry
from driftgate.training.versions import VersionInfo


def find_champion(registry: ModelRegistry, as_of: date) -> VersionInfo | None:
    """The champion, unless it was trained on a later month than `as_of`: it was none then.

    Raises:
        DataError: the champion was not trained by Driftgate.
        DatabaseError: the database refuses or cannot be reached.
    """
    version = registry.champion()
    if version is None:
        return None
    info = registry.version_info(version)
    return info if info.as_of <= as_of else None


def champion_month(registry: ModelRegistry) -> date | None:
    """The month that the champion was trained on; None where there is none.

    Raises:
        DataError: the champion was not trained by Driftgate.
        DatabaseError: the database refuses or cannot be reached.
    """
    version = registry.champion()
    return registry.version_info(version).as_of if version else None


def load_judge(registry: ModelRegistry, info: VersionInfo) -> tuple[Judge, TrainedModel]:
    """A version ready to score, with what is known of its training.

    Raises:
        ConfigurationError: its files are absent, or are not those of its training.
        DatabaseError: the database refuses or cannot be reached.
    """
    model = registry.load(info.version)
    rows = registry.judged(info)
    held_out = rows.filter(rows.column("validation"))
    validation = Scored(
        texts(held_out.column("key")),
        held_out.column("label").to_numpy().astype(np.float64),
        held_out.column("score").to_numpy(),
    )
    measured = auc(validation.scores, validation.labels)
    if abs(measured - info.metrics["auc"]) > 1e-6:
        raise ConfigurationError(
            f"the validation users of {info.name} version {info.version} give an AUC of {measured:.6f}, and its "
            f"training recorded {info.metrics['auc']:.6f}",
            remedy="restore the folder MLFLOW_ARTIFACTS from a copy, or train again",
        )
    seen = texts(rows.filter(pc.invert(rows.column("validation"))).column("key"))
    return Judge(info.version, info.as_of, model.features, seen, validation), model
