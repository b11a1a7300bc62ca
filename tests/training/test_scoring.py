"""A month scored in parts is the month scored at once, and a score that is none is refused."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from driftgate.errors import WrongScoresError
from driftgate.features.files import read_file, write_file
from driftgate.features.types import DeclaredFeature, FeatureMonth, Kind
from driftgate.measures import LabelKind
from driftgate.training import scoring
from driftgate.training.features import model_features
from driftgate.training.scoring import read_scores, score_columns, score_month

DECLARED = (DeclaredFeature("x", "v", "FLOAT64", Kind.NUMERIC),)


@dataclass
class Copies:
    """A model whose score of a row is its feature."""

    kind: LabelKind = LabelKind.BOOLEAN
    name: str = "m"
    version: str = "1"
    classes: tuple[str, ...] = ()
    sizes: list[int] = field(default_factory=list)

    def scores(self, columns: dict[str, Any]) -> np.ndarray:
        self.sizes.append(len(columns["x"]))
        return np.array(columns["x"], dtype=float)


def month_of(folder: Path, values: list[float]) -> FeatureMonth:
    path = folder / "month.arrow"
    write_file(path, pa.table({"id": list(range(len(values))), "x": values}))
    return FeatureMonth(date(2024, 2, 29), path, len(values), DECLARED, (), ())


def test_the_parts_of_a_month_are_the_month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "_BATCH_ROWS", 4)
    month, model = month_of(tmp_path, [n / 10 for n in range(10)]), Copies()
    assert score_month(model, model_features(month), month, "id", tmp_path / "scores") == 10  # type: ignore[arg-type]
    table = read_file(tmp_path / "scores")
    assert model.sizes == [4, 4, 2]
    assert table.column("key").to_pylist() == [str(n) for n in range(10)]
    assert read_scores(table).tolist() == [n / 10 for n in range(10)]


@pytest.mark.parametrize(
    ("kind", "value"), [(LabelKind.BOOLEAN, 1.5), (LabelKind.BOOLEAN, -0.1), (LabelKind.NUMERIC, float("inf"))]
)
def test_a_score_that_is_none_is_refused_with_the_model(tmp_path: Path, kind: LabelKind, value: float) -> None:
    month = month_of(tmp_path, [0.5, value])
    with pytest.raises(WrongScoresError, match="m version 1 gave 1 scores"):
        score_month(Copies(kind), model_features(month), month, "id", tmp_path / "scores")  # type: ignore[arg-type]


def test_scores_of_classes_are_written_and_read_with_the_likeliest() -> None:
    scores = np.array([[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
    table = pa.table(score_columns(scores, ("no", "yes")))
    assert table.column("class").to_pylist() == ["yes", "no", "no"]
    assert np.array_equal(read_scores(table), scores)
    with pytest.raises(KeyError):
        read_scores(table.drop_columns("score"))
