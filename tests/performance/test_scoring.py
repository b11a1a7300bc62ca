"""Who scores the months, and where there is nothing to score with."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from driftgate.database import ConnectionParameters
from driftgate.drift.comparison import Side
from driftgate.drift.ledger import read_table
from driftgate.errors import ConfigurationError
from driftgate.features.entities import MonthSize
from driftgate.features.files import write_file
from driftgate.monitors import Monitor
from driftgate.performance.result import Performance, PerformanceState
from driftgate.performance.scoring import Scoring, measure, open_registry, require_registry, score_months
from driftgate.shared import Shared
from driftgate.training.registry.models import ModelRegistry
from driftgate.training.split import is_validation
from tests.conftest import new_database
from tests.drift.months import ledger_of, profile_of
from tests.performance.months import DECLARED, FEB, JAN, KEY, monitor, month
from tests.performance.test_champion import train


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    """Two months of the same relation; of February's 1,500 users January has seen 1,000."""
    folder = tmp_path_factory.mktemp("months")
    keys: list[object] = [f"u{n}" for n in range(1000)] + [f"new{n}" for n in range(500)]
    pair = month(folder, JAN, seed=1), month(folder, FEB, seed=2, keys=keys)
    ref, cur = (Side(MonthSize(item[0].as_of, 1500, 1500), *item, profile_of(item[0])) for item in pair)
    return ref, cur


def with_features(side: Side, **changed: Any) -> Side:
    """The side with other features, measured again."""
    features = replace(side.features, **changed)
    return replace(side, features=features, profile=profile_of(features))


@pytest.fixture(scope="module")
def registry(
    server: ConnectionParameters, sides: tuple[Side, Side], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelRegistry]:
    folder = tmp_path_factory.mktemp("scoring")
    with new_database(server) as parameters:
        made = ModelRegistry(parameters, folder / "artifacts", "m")
        assert train(made, sides[0].features, sides[0].labels, folder) == "1"
        yield made
        made.close()


def scored(
    registry: ModelRegistry | None, pair: tuple[Side, Side], folder: Path, **overrides: object
) -> tuple[Scoring, Performance]:
    rules: Monitor = monitor(on_incomparable="count_as_drift", **overrides)
    ref, cur = pair
    ledger = ledger_of(ref.features, cur.features, rules)
    found = score_months(registry, rules, ref, cur, ledger, Shared(folder))
    return found, measure(found, rules, ref, cur)


def test_the_champion_scores_both_months_and_its_own_users_are_left_out(
    registry: ModelRegistry, sides: tuple[Side, Side], tmp_path: Path
) -> None:
    found, performance = scored(registry, sides, tmp_path)
    assert performance.measured and performance.version == "1" and performance.trained_on == JAN
    old = sum(is_validation(f"u{n}", 42) for n in range(1000))
    assert performance.users_cur == old + 500
    assert performance.users_ref == sum(is_validation(f"u{n}", 42) for n in range(1500))
    assert abs(performance.drop) < 0.05
    assert found.champion_paths is not None
    for side, path in zip(sides, found.champion_paths, strict=True):
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        assert table.column("key").to_pylist() == read_table(side.features).column(KEY).to_pylist()


@pytest.mark.parametrize("who", ["no registry", "no champion yet"])
def test_without_a_champion_a_probe_of_the_reference_month_stands_in(
    who: str, registry: ModelRegistry, sides: tuple[Side, Side], tmp_path: Path
) -> None:
    empty = ModelRegistry(registry.parameters, registry.artifacts, "another")
    found, performance = scored(empty if who == "no champion yet" else None, sides, tmp_path)
    assert performance.measured and performance.version is None and performance.trained_on == JAN
    assert found.champion_paths is None, "a probe's scores are no prediction drift"
    empty.close()


def test_a_champion_of_a_later_month_was_none_then(
    registry: ModelRegistry, sides: tuple[Side, Side], tmp_path: Path
) -> None:
    early = date(2023, 12, 31)
    moved = replace(sides[1], size=MonthSize(early, 1500, 1500))
    found, performance = scored(registry, (sides[0], moved), tmp_path)
    assert performance.version is None and found.champion_paths is None


def without(side: Side, folder: Path) -> Side:
    """The month without one of its columns."""
    path = folder / f"less_{side.size.as_of}.arrow"
    write_file(path, read_table(side.features).drop_columns(["usage"]))
    return with_features(side, path=path, absent=("usage",))


def undeclared(side: Side, folder: Path) -> Side:
    """The month after the feature left the feature service."""
    less = without(side, folder)
    return with_features(less, declared=DECLARED[1:], absent=())


def retyped(side: Side, folder: Path) -> Side:
    """The month with text where there was a number."""
    table = read_table(side.features)
    words = [None if value is None else f"{value} h" for value in table.column("usage").to_pylist()]
    path = folder / f"words_{side.size.as_of}.arrow"
    write_file(path, table.set_column(table.column_names.index("usage"), "usage", pa.array(words)))
    return with_features(side, path=path)


@pytest.mark.parametrize("lose", [without, undeclared, retyped])
@pytest.mark.parametrize("which", [(True, False), (False, True), (True, True)], ids=["then", "now", "both"])
def test_a_champion_that_lost_a_feature_is_no_judge(
    lose: Callable[[Side, Path], Side],
    which: tuple[bool, bool],
    registry: ModelRegistry,
    sides: tuple[Side, Side],
    tmp_path: Path,
) -> None:
    ref, cur = (lose(side, tmp_path) if lost else side for side, lost in zip(sides, which, strict=True))
    found, performance = scored(registry, (ref, cur), tmp_path)
    assert performance.state is PerformanceState.NOT_COMPUTABLE
    why = "not computable: champion v1 reads features that are absent or retyped: usage"
    assert performance.reason == why and found.champion_paths is None


def test_a_feature_without_a_value_is_what_the_champion_gets_to_see(
    registry: ModelRegistry, sides: tuple[Side, Side], tmp_path: Path
) -> None:
    ref, cur = sides
    table = read_table(cur.features)
    path = tmp_path / "blank.arrow"
    nothing = pa.nulls(table.num_rows, pa.float64())
    write_file(path, table.set_column(table.column_names.index("usage"), "usage", nothing))
    blank = with_features(cur, path=path)
    _, performance = scored(registry, (ref, blank), tmp_path)
    assert performance.measured and performance.drop_interval[0] > 0.1


def test_pending_labels_are_scored_and_not_measured(
    registry: ModelRegistry, sides: tuple[Side, Side], tmp_path: Path
) -> None:
    ref, cur = sides
    labels = replace(cur.labels, labelled=600, mean=math.nan, reason="pending, 40% labelled", pending=True, path=None)
    found, performance = scored(registry, (ref, replace(cur, labels=labels)), tmp_path)
    assert performance.state is PerformanceState.PENDING and performance.reason == "pending, 40% labelled"
    assert found.champion_paths is not None, "the scores have a distribution without labels"


def test_off_asks_nobody(registry: ModelRegistry, sides: tuple[Side, Side], tmp_path: Path) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"asked for {name}")

    found, performance = scored(Untouchable(), sides, tmp_path, performance="off")  # type: ignore[arg-type]
    assert performance.state is PerformanceState.OFF
    assert (found.evaluation, found.cur, found.ref) == (None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_gone_are_an_error(registry: ModelRegistry, sides: tuple[Side, Side], tmp_path: Path) -> None:
    elsewhere = ModelRegistry(registry.parameters, tmp_path / "nowhere", "m")
    with pytest.raises(ConfigurationError, match="has no file"):
        scored(elsewhere, sides, tmp_path)
    elsewhere.close()


def test_a_registry_is_of_a_model_and_shared(registry: ModelRegistry) -> None:
    named = monitor(model="m")
    first = open_registry(registry.parameters, registry.artifacts, named)
    assert first is not None and first.champion() == "1"
    assert open_registry(registry.parameters, registry.artifacts, named) is first
    assert open_registry(registry.parameters, registry.artifacts, monitor(model="other")) is not first
    first.close()
    assert open_registry(registry.parameters, registry.artifacts, monitor()) is None
    with pytest.raises(ConfigurationError, match="names no model"):
        require_registry(registry.parameters, registry.artifacts, monitor())
