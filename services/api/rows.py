"""What the scoring thread reads from and gives back, and the pure steps in between."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from driftgate.features.online import KeyState, OnlineRows
from driftgate.measures import LabelKind
from driftgate.training.model import TrainedModel


class Reader(Protocol):
    """Reads the online store; see `driftgate.features.online_store.OnlineReader`."""

    @property
    def features(self) -> tuple[str, ...]: ...  # noqa: D102
    def read(self, keys: Sequence[str]) -> OnlineRows: ...  # noqa: D102
    def month(self) -> date | None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Row:
    """One key's features, and its score where one was asked for.

    Attributes:
        features: by name; None where NULL, NaN or infinite, so that all of it is JSON.
        probability: of 1, or of the predicted class; None for a number, where no score was asked for, or where the key
            is not FOUND.
        prediction: 0 or 1, a number, or a class.
        kind: of the label.
    """

    key: str
    state: KeyState
    as_of: date | None
    features: Mapping[str, Any]
    probability: float | None = None
    prediction: float | str = 0
    version: str = ""
    kind: LabelKind = LabelKind.BOOLEAN


@dataclass(frozen=True)
class StoreState:
    """What the online store says of itself."""

    month: date | None
    features: tuple[str, ...]


def rows_of(keys: Sequence[str], found: OnlineRows, model: TrainedModel | None) -> list[Row]:
    """One row for each key; scored where there is a model and the key was found.

    Raises:
        DataError: a feature of the model is absent, or not of its type.
    """
    probabilities, predictions = _scores(model, found)
    version, kind = (model.version, model.kind) if model is not None else ("", LabelKind.BOOLEAN)
    parts = zip(keys, found.states, found.as_of, _records(found), probabilities, predictions, strict=True)
    return [
        Row(key, state, day, features, probability, prediction, version, kind)
        for key, state, day, features, probability, prediction in parts
    ]


def _scores(model: TrainedModel | None, found: OnlineRows) -> tuple[list[float | None], list[float | str]]:
    """Probability and prediction by row; None and 0 where nothing was found, or there is no model."""
    probabilities: list[float | None] = [None] * len(found.states)
    predictions: list[float | str] = [0] * len(found.states)
    which = [place for place, state in enumerate(found.states) if state is KeyState.FOUND]
    if model is not None and which:
        columns = {name: [found.columns[name][place] for place in which] for name in model.features}
        scored = model.predictions(model.scores(columns))
        for place, probability, prediction in zip(
            which, scored.probabilities or [None] * len(which), scored.values, strict=True
        ):
            probabilities[place], predictions[place] = probability, prediction
    return probabilities, predictions


def _records(found: OnlineRows) -> list[dict[str, Any]]:
    names = list(found.columns)
    return [
        {name: _plain(value) for name, value in zip(names, values, strict=True)}
        for values in zip(*found.columns.values(), strict=True)
    ]


def _plain(value: Any) -> Any:
    """A value as JSON has it: times and what else is no number, text or list as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat() if isinstance(value, datetime) else str(value)
