"""The columns that a model reads, as they were declared when it was trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from driftgate.errors import DataError, bounded
from driftgate.features.types import DeclaredFeature, FeatureMonth, Kind


class InputKind(StrEnum):
    """How a model reads a feature."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    CATEGORY = "category"


@dataclass(frozen=True)
class ModelFeature:
    """One input of a model: its column, the view it comes from, and its Feast type."""

    name: str
    view: str
    dtype: str
    kind: InputKind


_NO_INPUTS = (Kind.UNSUPPORTED, Kind.ARRAY)


def model_features(month: FeatureMonth) -> tuple[ModelFeature, ...]:
    """Return the inputs of a model trained on that month: all declared features except timestamps, in declared order.

    Raises:
        DataError: a feature cannot be read, or its view has no row of the month.
    """
    usable = [item for item in month.declared if item.kind is not Kind.TIMESTAMP]
    faults = [
        *(f"{item.name}: the source has no such column" for item in usable if item.name in month.absent),
        *(f"{item.name}: type {item.dtype} is not supported" for item in usable if item.kind in _NO_INPUTS),
        *(f"{name}: no row of the month, only earlier ones" for name in month.stale_views),
    ]
    if faults or not usable:
        raise DataError(
            f"the features of {month.as_of} cannot be used: {bounded(faults or ['none is declared'])}",
            allowed="numbers, booleans and strings that have values in the month",
            remedy="load the month again, or take the feature out of the Feast feature service",
        )
    return tuple(ModelFeature(item.name, item.view, item.dtype, _input_kind(item)) for item in usable)


def require_features(features: Sequence[ModelFeature], month: FeatureMonth, model: str) -> None:
    """Check that a month has every input of a model.

    Raises:
        DataError: a feature is absent, or its view has no row of the month.
    """
    views = {item.name: item.view for item in month.declared if item.name not in month.absent}
    faults = [f"{item.name}: absent" for item in features if item.name not in views]
    stale = {views[item.name] for item in features if item.name in views} & set(month.stale_views)
    faults += [f"{view}: no row of the month, only earlier ones" for view in sorted(stale)]
    if faults:
        raise DataError(
            f"the features of {month.as_of} lack what {model} was trained on: {bounded(faults)}",
            remedy="load the month again, restore the feature service, or train a model on the features there are",
        )


def _input_kind(item: DeclaredFeature) -> InputKind:
    if item.kind is Kind.NUMERIC:
        return InputKind.NUMBER
    return InputKind.BOOLEAN if item.dtype.upper() == "BOOL" else InputKind.CATEGORY
