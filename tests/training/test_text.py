"""What is said of a training: one line for scripts, a page for people."""

from collections.abc import Callable

import pytest

from driftgate.measures import LabelKind
from driftgate.training.metrics import SHOWN, CalibrationBin
from driftgate.training.registry.models import Registered, TrainedVersion
from driftgate.training.registry.versions import Training
from driftgate.training.text import training_line, training_markdown


@pytest.fixture
def trained(training: Callable[..., Training]) -> TrainedVersion:
    metrics = dict.fromkeys(SHOWN[training().label_kind], 0.25)
    return TrainedVersion("m", training(metrics=metrics), Registered("7", "", True))


def test_the_line_names_the_version_and_every_entity(trained: TrainedVersion) -> None:
    line = training_line(trained)
    assert line.startswith("[Train] model=m version=7 alias=none as_of=2024-01-31 ")
    assert all(f" {name}=0.2500" in line for name in trained.training.metrics)
    assert line.endswith(" threshold=0.5 rows=400")


def test_the_page_has_every_metric_and_no_figure_for_an_empty_bin(trained: TrainedVersion) -> None:
    nan = float("nan")
    page = training_markdown(
        trained, [CalibrationBin(0.0, 0.1, 0, nan, nan), CalibrationBin(0.1, 0.2, 1200, 0.15, 0.1)]
    )
    assert page.startswith("# m version 7\n")
    assert all(f"| {name} | 0.2500 |" in page for name in trained.training.metrics)
    assert "| 0.0 to 0.1 | 0 | - | - |" in page and "| 0.1 to 0.2 | 1,200 | 0.1500 | 0.1000 |" in page
    assert page.endswith(f"SHA-256 `{'f' * 64}`")
    assert "It predicts 1 from a probability of 0.5 on" in page
    assert "| probability |" not in training_markdown(trained, [])


def test_a_label_that_is_not_boolean_has_no_threshold(training: Callable[..., Training]) -> None:
    number = training(
        label_kind=LabelKind.NUMERIC, metrics=dict.fromkeys(SHOWN[LabelKind.NUMERIC], 0.25), threshold=None
    )
    trained = TrainedVersion("late", number, Registered("1", "", True))
    assert "threshold" not in training_line(trained)
    assert "probability" not in training_markdown(trained, [])
