"""Small trainings, fitted in milliseconds, for whoever needs a model and not how it came to be."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np
import pytest
import sklearn

from driftgate.training.features import InputKind, ModelFeature
from driftgate.training.pipeline import PARAMETERS, fit_pipeline
from driftgate.training.registry.versions import Training

FEATURES = (
    ModelFeature("tickets", "support", "INT64", InputKind.NUMBER),
    ModelFeature("paperless", "profile", "BOOL", InputKind.BOOLEAN),
    ModelFeature("service", "profile", "STRING", InputKind.CATEGORY),
)

Columns = dict[str, Sequence[Any]]


def some_columns(rows: int = 400, seed: int = 0) -> Columns:
    """Values with gaps in each of them."""
    draw = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {
        "tickets": draw.integers(0, 9, rows).tolist(),
        "paperless": draw.choice([True, False], rows).tolist(),
        "service": draw.choice(["DSL", "Fiber optic", "No"], rows).tolist(),
    }
    for offset, values in enumerate(columns.values()):
        values[offset::7] = [None] * len(values[offset::7])
    return dict(columns)


def labels_of(columns: Columns) -> np.ndarray:
    """A label that follows from the tickets."""
    return np.array([int((value or 0) > 4) for value in columns["tickets"]])


@pytest.fixture(scope="session")
def columns() -> Columns:
    return some_columns()


@pytest.fixture(scope="session")
def pipeline(columns: Columns) -> Any:
    return fit_pipeline(columns, labels_of(columns), FEATURES, seed=0)


@pytest.fixture(scope="session")
def training() -> Callable[..., Training]:
    """A training; what is given differs."""

    def build(**other: Any) -> Training:
        values: dict[str, Any] = {
            "monitor": "churn",
            "as_of": date(2024, 1, 31),
            "seed": 42,
            "validation_share": 0.2,
            "fingerprint": "f" * 64,
            "features": FEATURES,
            "parameters": PARAMETERS,
            "metrics": {"auc": 0.8},
            "train_rows": 320,
            "validation_rows": 80,
            "unlabelled_rows": 3,
            "sklearn": sklearn.__version__,
        }
        return Training(**{**values, **other})

    return build
