"""The champion as a judge: what is known of its training is held against what was recorded of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from driftgate.database import ConnectionParameters
from driftgate.errors import ConfigurationError
from driftgate.features.entities import GROUP_COLUMN
from driftgate.features.files import read_file, write_file
from driftgate.features.labels import LabelMonth
from driftgate.features.types import FeatureMonth
from driftgate.measures import LabelKind
from driftgate.performance.champion import find_champion, load_evaluation_model
from driftgate.performance.promotion import compare_versions
from driftgate.training.dataset import build_training_set
from driftgate.training.fit import evaluate_model, example_of, fit_model, read_pipeline
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.registry.versions import VersionInfo
from driftgate.training.split import is_validation
from driftgate.training.threshold import best_threshold
from tests.conftest import new_database
from tests.performance.months import FEB, JAN, KEY, month

Month = tuple[FeatureMonth, LabelMonth]
MAR = date(2024, 3, 31)


def train(
    registry: ModelRegistry, features: FeatureMonth, labels: LabelMonth, folder: Path, seed: int = 42, group: str = ""
) -> str:
    """Train and register as the flow does."""
    folder.mkdir(exist_ok=True)
    data = build_training_set(features, labels, KEY, 100, folder / "training.arrow", group)
    fitted = fit_model(data, seed, folder / "model.pkl")
    found = evaluate_model(data, fitted, "m", folder / "judged.arrow")
    return registry.register(found.training, read_pipeline(fitted), example_of(data), found.judged).version


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return month(tmp_path_factory.mktemp("january"), JAN, seed=1)


@pytest.fixture(scope="module")
def registry(
    server: ConnectionParameters, january: Month, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelRegistry]:
    """One version, the champion, trained on January."""
    folder = tmp_path_factory.mktemp("champion")
    with new_database(server) as parameters:
        made = ModelRegistry(parameters, folder / "artifacts", "m")
        assert find_champion(made, JAN) == (None, None)
        assert train(made, *january, folder) == "1"
        yield made
        made.close()


@pytest.fixture
def info(registry: ModelRegistry) -> VersionInfo:
    """As an earlier release recorded it: without the digest of the judged users, whose values are checked then."""
    recorded = registry.version_info("1")
    assert recorded.judged_sha256
    return replace(recorded, judged_sha256="")


@pytest.fixture
def spoil(registry: ModelRegistry, info: VersionInfo) -> Iterator[Callable[[Callable[[pa.Table], pa.Table]], None]]:
    """Rewrite the stored users; they are restored afterwards."""
    path = registry.artifacts / info.judged_file
    kept = path.read_bytes()

    def change(how: Callable[[pa.Table], pa.Table]) -> None:
        table = pa.table({name: read_file(path).column(name).to_numpy() for name in read_file(path).column_names})
        path.unlink()
        write_file(path, how(table))

    yield change
    path.write_bytes(kept)


def test_it_knows_its_training(registry: ModelRegistry, info: VersionInfo, january: Month) -> None:
    evaluation, model = load_evaluation_model(registry, info)
    keys = {f"u{n}" for n in range(1500)}
    assert set(evaluation.validation.keys.tolist()) == {key for key in keys if is_validation(key, 42)}
    assert set(evaluation.seen.tolist()) == keys - set(evaluation.validation.keys.tolist())
    assert (evaluation.version, evaluation.trained_on, evaluation.features) == ("1", JAN, model.features)
    assert evaluation.threshold == model.threshold == info.threshold
    held = evaluation.validation
    assert best_threshold(held.labels, held.scores) == info.threshold, "chosen on its own validation"


def test_it_is_measured_on_months_after_its_own(registry: ModelRegistry) -> None:
    for day, words in ((date(2023, 12, 31), "2024-01-31, which is later"), (JAN, "this month")):
        found, passed_over = find_champion(registry, day)
        assert found is None and passed_over is not None
        assert passed_over.text == f"v1 not measured: the champion was trained on {words}"
    found, passed_over = find_champion(registry, FEB)
    assert found is not None and found.version == "1" and passed_over is None


def test_on_its_own_month_the_model_it_replaced_answers(
    server: ConnectionParameters, january: Month, tmp_path: Path
) -> None:
    with new_database(server) as parameters:
        made = ModelRegistry(parameters, tmp_path / "artifacts", "m")
        train(made, *january, tmp_path)
        train(made, *month(tmp_path, FEB, seed=2), tmp_path)
        made.promote("2")
        assert [item.version for item in made.replaced_by(made.version_info("2"))] == ["1"]
        found, passed_over = find_champion(made, FEB)
        assert found is not None and found.version == "1"
        assert passed_over is not None and passed_over.version == "2"
        found, passed_over = find_champion(made, MAR)
        assert found is not None and found.version == "2" and passed_over is None
        # Each has replaced the other by now, and the search ends all the same.
        made.rollback()
        made.promote("2", over="1")
        made.promote("1")
        assert find_champion(made, JAN)[0] is None
        made.close()


def put(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def of(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).to_numpy().copy()


def flipped(table: pa.Table, name: str, rows: int) -> pa.Table:
    """The first so many validation users with 1 minus their value."""
    values = of(table, name)
    at = np.flatnonzero(of(table, "validation"))[:rows]
    values[at] = 1 - values[at]
    return put(table, name, values)


TAMPERED: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "one label": (lambda table: flipped(table, "label", 1), "its training recorded"),
    "some scores": (lambda table: flipped(table, "score", 3), "give a auc of"),
    "every score in the same order": (lambda table: put(table, "score", of(table, "score") / 2), "give a log_loss of"),
    "one row less": (lambda table: table.slice(1), "were recorded"),
    "training users called validation": (lambda table: put(table, "validation", [True] * len(table)), "were recorded"),
    "no users": (lambda table: table.slice(0, 0), "are 0 of training and 0 of validation"),
    "a score that is nan": (lambda table: put(table, "score", [float("nan")] * len(table)), "no probabilities"),
    "a score above one": (lambda table: put(table, "score", of(table, "score") + 1), "no probabilities"),
    "labels of two": (lambda table: put(table, "label", of(table, "label") * 2), "labels other than 0 and 1"),
    "a column less": (lambda table: table.drop_columns(["score"]), "cannot be read"),
    "another type": (lambda table: put(table, "score", ["x"] * len(table)), "cannot be read"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_stored_users_that_are_not_those_of_the_training_are_refused(
    name: str,
    registry: ModelRegistry,
    info: VersionInfo,
    spoil: Callable[[Callable[[pa.Table], pa.Table]], None],
) -> None:
    how, words = TAMPERED[name]
    spoil(how)
    with pytest.raises(ConfigurationError, match=words) as caught:
        load_evaluation_model(registry, info)
    assert info.judged_file in str(caught.value) and "train again" in caught.value.remedy


def test_a_file_that_is_no_arrow_is_refused(registry: ModelRegistry, info: VersionInfo) -> None:
    path = registry.artifacts / info.judged_file
    kept = path.read_bytes()
    try:
        for content in (b"", b"nonsense", kept[: len(kept) // 2]):
            path.write_bytes(content)
            with pytest.raises(ConfigurationError, match="cannot be read"):
                load_evaluation_model(registry, info)
        path.unlink()
        with pytest.raises(ConfigurationError, match="has no file"):
            load_evaluation_model(registry, info)
    finally:
        path.write_bytes(kept)


def test_another_model_file_is_refused(registry: ModelRegistry, info: VersionInfo) -> None:
    path = registry.artifacts / info.model_file
    kept = path.read_bytes()
    try:
        path.write_bytes(kept + b" ")
        with pytest.raises(ConfigurationError, match="is not the file that was registered"):
            load_evaluation_model(registry, info)
    finally:
        path.write_bytes(kept)


def test_a_numeric_champion_is_held_against_its_record(server: ConnectionParameters, tmp_path: Path) -> None:
    features, labels = month(tmp_path, JAN, seed=1)
    assert labels.path is not None
    table = read_file(labels.path)
    minutes = np.random.default_rng(0).normal(20, 5, table.num_rows) + 10 * table.column("label").to_numpy()
    write_file(tmp_path / "minutes.arrow", table.set_column(1, "label", pa.array(minutes)))
    numeric = replace(labels, kind=LabelKind.NUMERIC, path=tmp_path / "minutes.arrow")
    with new_database(server) as parameters:
        made = ModelRegistry(parameters, tmp_path / "artifacts", "m")
        assert train(made, features, numeric, tmp_path) == "1"
        info = replace(made.version_info("1"), judged_sha256="")
        evaluation, model = load_evaluation_model(made, info)
        assert info.label_kind is model.kind is evaluation.kind is LabelKind.NUMERIC
        assert set(info.metrics) == {"rmse", "mae", "bias", "mean_label", "r2", "label_sd", "mean_prediction"}
        path = made.artifacts / info.judged_file
        kept = pa.table({name: column.to_numpy() for name, column in judged_columns(path)})
        for name, values, words in (
            ("score", of(kept, "score") + 1, "give a rmse of"),
            ("score", [float("nan")] * len(kept), "no finite numbers"),
            ("label", [float("inf")] * len(kept), "no finite numbers"),
        ):
            path.unlink()
            write_file(path, put(kept, name, values))
            with pytest.raises(ConfigurationError, match=words):
                load_evaluation_model(made, info)
        # A training of the same month with another kind of label is another training.
        assert train(made, features, labels, tmp_path / "boolean") == "2"
        found = compare_versions(made, "1", "2", features, KEY, 0.01, 10)
        assert not found.promote and "it predicts a boolean label, and the champion a numeric one" in found.reason
        made.close()


def judged_columns(path: Path) -> list[tuple[str, pa.ChunkedArray]]:
    table = read_file(path)
    return [(name, table.column(name)) for name in table.column_names]


def test_a_model_whose_validation_has_other_groups_is_not_measured(
    server: ConnectionParameters, january: Month, tmp_path: Path
) -> None:
    features, labels = january
    table = read_file(features.path)
    days = pa.array([f"day {n % 30}" for n in range(table.num_rows)])
    write_file(tmp_path / "grouped.arrow", table.append_column(GROUP_COLUMN, days))
    grouped = replace(features, path=tmp_path / "grouped.arrow")
    day_of = dict(zip(table.column(KEY).to_pylist(), days.to_pylist(), strict=True))
    with new_database(server) as parameters:
        made = ModelRegistry(parameters, tmp_path / "artifacts", "m")
        assert train(made, features, labels, tmp_path / "alone") == "1"
        found, passed_over = find_champion(made, MAR, "day")
        assert found is None and passed_over is not None and passed_over.split == "split without groups"
        assert (
            passed_over.text
            == "v1 not measured: its training was split without groups, and the monitor has other groups"
        )
        assert train(made, grouped, labels, tmp_path / "by_day", group="day") == "2"
        found = compare_versions(made, "1", "2", grouped, KEY, 0.01, 10)
        assert not found.promote and "split by day, the champion's split without groups" in found.reason
        made.promote("2")
        info, passed_over = find_champion(made, MAR, "day")
        assert info is not None and (info.version, info.group, passed_over) == ("2", "day", None)
        assert find_champion(made, MAR)[0].version == "1", "the one before has no groups either"
        evaluation, _ = load_evaluation_model(made, info)
        validated = {day_of[key] for key in evaluation.validation.keys.tolist()}
        assert len(validated) == 10 and set(evaluation.validation.units) == validated
        assert set(evaluation.seen) == {f"day {n}" for n in range(30)} - validated
        made.close()
