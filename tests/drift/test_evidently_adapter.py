"""Evidently's scores, held against scipy; and its typed results, an error wherever they are not as expected."""

import copy
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from driftgate.drift import evidently_adapter as adapter
from driftgate.drift.evidently_adapter import ColumnTest, read_scores, run_report
from driftgate.drift.result import is_drift
from driftgate.errors import MissingSignalError
from driftgate.features.types import Kind
from driftgate.methods import METHODS

RANDOM = np.random.default_rng(7)
ROWS = 1500
NUMERIC = [method.name for method in METHODS.values() if Kind.NUMERIC in method.kinds]
CATEGORICAL = [method.name for method in METHODS.values() if Kind.CATEGORICAL in method.kinds]


def numbers(shift: float = 0.0, rows: int = ROWS) -> pd.Series:
    return pd.Series(RANDOM.gamma(2.0, 10.0, rows) + shift)


def categories(*shares: float, rows: int = ROWS) -> pd.Series:
    return pd.Series(RANDOM.choice(list("abcdefghij")[: len(shares)], rows, p=shares)).astype(object)


def score(ref: pd.Series, cur: pd.Series, kind: Kind, method: str, threshold: float = 0.1) -> float:
    frames = [pd.DataFrame({"f": values}) for values in (ref, cur)]
    return run_report(*frames, [ColumnTest("f", kind, method, threshold)], []).scores["f"]


def frequencies(values: pd.Series, keys: Sequence[object]) -> list[float]:
    return [float((values == key).mean()) for key in keys]


def test_the_wasserstein_score_is_w1_over_the_spread_of_the_reference() -> None:
    ref, cur = numbers(), numbers(3.0)
    expected = stats.wasserstein_distance(ref, cur) / np.std(ref)
    assert score(ref, cur, Kind.NUMERIC, "wasserstein") == pytest.approx(expected)


def test_the_spread_of_a_constant_reference_is_a_thousandth() -> None:
    ref, cur = pd.Series([2.0] * 300), pd.Series([2.0, 2.5] * 150)
    assert score(ref, cur, Kind.NUMERIC, "wasserstein") == pytest.approx(0.25 / 0.001)


def test_the_jensenshannon_score_is_a_distance_in_natural_logarithms() -> None:
    ref, cur = categories(0.5, 0.3, 0.2), categories(0.3, 0.3, 0.4)
    expected = jensenshannon(frequencies(ref, "abc"), frequencies(cur, "abc"))
    assert score(ref, cur, Kind.CATEGORICAL, "jensenshannon") == pytest.approx(expected)


def test_few_distinct_numbers_are_compared_by_their_frequencies() -> None:
    ref, cur = pd.Series(RANDOM.integers(0, 4, ROWS) * 1.0), pd.Series(RANDOM.integers(0, 5, ROWS) * 1.0)
    expected = jensenshannon(frequencies(ref, range(5)), frequencies(cur, range(5)))
    assert score(ref, cur, Kind.NUMERIC, "jensenshannon") == pytest.approx(expected)


def test_the_ks_score_is_the_p_value_of_two_samples() -> None:
    ref, cur = numbers(rows=400), numbers(1.0, rows=300)
    assert score(ref, cur, Kind.NUMERIC, "ks") == pytest.approx(stats.ks_2samp(ref, cur).pvalue)


def test_the_chisquare_score_is_that_of_a_contingency_table() -> None:
    ref, cur = categories(0.5, 0.3, 0.2, rows=400), categories(0.45, 0.35, 0.2, rows=300)
    table = [[(ref == key).sum(), (cur == key).sum()] for key in "abc"]
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert score(ref, cur, Kind.CATEGORICAL, "two_sample_chisquare") == pytest.approx(expected)


def test_missing_values_are_left_out() -> None:
    ref, cur = numbers(), numbers(3.0)
    holes_ref, holes_cur = ref.copy(), cur.copy()
    holes_ref[::7], holes_cur[::3] = math.nan, math.nan
    expected = stats.wasserstein_distance(holes_ref.dropna(), holes_cur.dropna()) / np.std(holes_ref.dropna())
    assert score(holes_ref, holes_cur, Kind.NUMERIC, "wasserstein") == pytest.approx(expected)


def score_by_method(ref: pd.Series, cur: pd.Series, threshold: float) -> dict[str, float]:
    """The scores of one pair of columns by every method, from one report."""
    frames = [pd.DataFrame(dict.fromkeys(NUMERIC, values)) for values in (ref, cur)]
    return run_report(*frames, [ColumnTest(name, Kind.NUMERIC, name, threshold) for name in NUMERIC], []).scores


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_evidently_counts_as_we_do_also_at_the_border(threshold: float) -> None:
    same = pd.Series(np.arange(200.0) % 40)
    for method, value in score_by_method(same, same.copy(), threshold).items():
        assert value == pytest.approx(float(method in {"ks", "two_sample_chisquare"}), abs=1e-6)


def test_every_method_is_known_to_evidently_as_the_table_has_it() -> None:
    from evidently.legacy.calculations.stattests.registry import get_stattest

    for kind, names in (("num", NUMERIC), ("cat", CATEGORICAL)):
        for name in names:
            found = get_stattest(pd.Series([1.0]), pd.Series([1.0]), adapter.ColumnType(kind), name)
            assert (found.name, found.display_name) == (name, METHODS[name].description)
            assert found.default_threshold == METHODS[name].default_threshold


def test_every_category_method_has_a_score_and_a_direction() -> None:
    same, other = pd.Series(["a", "b"] * 200), pd.Series(["a", "c"] * 200)
    for cur in (same, other):
        frames = [pd.DataFrame(dict.fromkeys(CATEGORICAL, values)) for values in (same, cur)]
        tests = [ColumnTest(name, Kind.CATEGORICAL, name, 0.05) for name in CATEGORICAL]
        for method, value in run_report(*frames, tests, []).scores.items():
            assert is_drift(method, value, 0.05) is (cur is other)


def test_a_p_value_of_zero_is_counted_alike() -> None:
    assert score(pd.Series(np.arange(2000.0)), pd.Series(np.arange(2000.0) + 1e6), Kind.NUMERIC, "ks", 0.0) == 0.0


@pytest.mark.parametrize(("ref", "cur"), [(1.0, 1.0), (1.0, 2.0)])
def test_constants_have_a_score_by_every_method(ref: float, cur: float) -> None:
    for method, value in score_by_method(pd.Series([ref] * 200), pd.Series([cur] * 200), 0.05).items():
        assert is_drift(method, value, 0.05) is (ref != cur)


def test_the_report_holds_every_column_and_parses() -> None:
    ref = pd.DataFrame({"fee": numbers(), "plan": categories(0.5, 0.5), "churned": categories(0.7, 0.3)})
    cur = pd.DataFrame({"fee": numbers(9), "plan": categories(0.5, 0.5), "churned": categories(0.6, 0.4)})
    tests = [
        ColumnTest("fee", Kind.NUMERIC, "wasserstein", 0.1),
        ColumnTest("plan", Kind.CATEGORICAL, "jensenshannon", 0.1),
    ]
    report = run_report(ref, cur, tests, [ColumnTest("churned", Kind.CATEGORICAL, "jensenshannon", 0.01)])
    assert set(report.scores) == {"fee", "plan", "churned"}
    document = json.loads(report.json)
    assert {"fee", "plan", "churned"} <= {metric["config"].get("column") for metric in document["metrics"]}
    # The label is reported and never counted.
    (count,) = [
        metric["value"]["count"] for metric in document["metrics"] if "DriftedColumnsCount" in metric["metric_name"]
    ]
    assert count == 1


# Typed results that are not as expected


@pytest.fixture(scope="module")
def results() -> list[Any]:
    """The typed results of a report of two features, from Evidently itself."""
    frame = pd.DataFrame({"fee": numbers(), "plan": categories(0.5, 0.5)})
    definition = adapter.DataDefinition(numerical_columns=["fee"], categorical_columns=["plan"])
    methods = {"fee": "wasserstein", "plan": "jensenshannon"}
    with adapter._quiet():
        snapshot = adapter.Report([adapter.DataDriftPreset(per_column_method=methods)]).run(
            *(adapter.Dataset.from_pandas(frame.copy(), data_definition=definition) for _ in range(2))
        )
    return list(snapshot.metric_results.values())


TESTS = (
    ColumnTest("fee", Kind.NUMERIC, "wasserstein", 0.1),
    ColumnTest("plan", Kind.CATEGORICAL, "jensenshannon", 0.1),
)


def parameters(result: Any) -> dict[str, Any]:
    return result.metric_value_location.metric.params


def doctored(results: list[Any], column: str, /, **changes: Any) -> list[Any]:
    """A copy in which the drift result of a column has other parameters or another value."""
    copies = copy.deepcopy(results)
    (chosen,) = [result for result in copies if parameters(result).get("column") == column]
    if "value" in changes:
        chosen.value = changes.pop("value")
    parameters(chosen).update(changes)
    return copies


def test_scores_are_found_by_column_and_method(results: list[Any]) -> None:
    assert read_scores(results, TESTS) == {"fee": 0.0, "plan": 0.0}
    assert read_scores(doctored(results, "plan", value=0.25), TESTS)["plan"] == 0.25


def test_the_order_of_the_results_does_not_matter(results: list[Any]) -> None:
    assert read_scores(results[::-1], TESTS) == read_scores(results, TESTS)


@pytest.mark.parametrize("left_out", ["fee", "plan"])
def test_an_absent_score_is_an_error(results: list[Any], left_out: str) -> None:
    rest = [result for result in results if parameters(result).get("column") != left_out]
    with pytest.raises(MissingSignalError, match=f"no usable drift score for {left_out}") as caught:
        read_scores(rest, TESTS)
    assert "requirements.lock" in caught.value.remedy


def test_no_results_at_all_are_an_error_that_names_every_column() -> None:
    with pytest.raises(MissingSignalError, match="fee, plan"):
        read_scores([], TESTS)


@pytest.mark.parametrize(
    "changes",
    [
        {"value": math.nan},
        {"value": math.inf},
        {"value": -math.inf},
        {"method": "ks"},
        {"method": "Jensen-Shannon distance"},
        {"column": "plans"},
        {"type": "evidently:metric_v3:ColumnDrift"},
        {"type": "evidently:metric_v2:ValueDriftV2"},
    ],
)
def test_a_score_that_is_not_as_asked_is_an_error(results: list[Any], changes: dict[str, Any]) -> None:
    with pytest.raises(MissingSignalError, match="no usable drift score for plan"):
        read_scores(doctored(results, "plan", **changes), TESTS)


@pytest.mark.parametrize("key", ["type", "method", "column"])
def test_a_parameter_that_was_renamed_is_an_error(results: list[Any], key: str) -> None:
    copies = copy.deepcopy(results)
    (chosen,) = [result for result in copies if parameters(result).get("column") == "plan"]
    parameters(chosen)[f"{key}_name"] = parameters(chosen).pop(key)
    with pytest.raises(MissingSignalError, match="no usable drift score for plan"):
        read_scores(copies, TESTS)


def test_a_result_type_that_was_renamed_is_an_error(results: list[Any]) -> None:
    class Renamed:
        """Everything a result has, under another type."""

        def __init__(self, result: Any) -> None:
            self.__dict__.update(vars(result))

    with pytest.raises(MissingSignalError, match="fee, plan"):
        read_scores([Renamed(result) for result in results], TESTS)


def test_evidentlys_own_count_agrees(results: list[Any]) -> None:
    adapter._check_count(results, TESTS, {"fee": 0.0, "plan": 0.0})


@pytest.mark.parametrize("scores", [{"fee": 0.2, "plan": 0.0}, {"fee": 0.2, "plan": 0.2}])
def test_a_count_that_contradicts_the_scores_is_an_error(results: list[Any], scores: dict[str, float]) -> None:
    with pytest.raises(MissingSignalError, match=r"counts \[0\] drifted columns"):
        adapter._check_count(results, TESTS, scores)


def test_a_count_that_is_gone_or_renamed_is_an_error(results: list[Any]) -> None:
    scores = {"fee": 0.0, "plan": 0.0}
    with pytest.raises(MissingSignalError, match=r"counts \[\]"):
        adapter._check_count([result for result in results if parameters(result).get("column")], TESTS, scores)
    copies = copy.deepcopy(results)
    for result in copies:
        if hasattr(result, "count"):
            result.count.metric_value_location.metric.params["type"] = "evidently:metric_v3:CountOfDriftedColumns"
    with pytest.raises(MissingSignalError, match=r"counts \[\]"):
        adapter._check_count(copies, TESTS, scores)


# The two-sample chi-square test


def two_sample(ref: pd.Series, cur: pd.Series, threshold: float = 0.05) -> tuple[float, bool]:
    return adapter._two_sample_chisquare(ref, cur, adapter.ColumnType.Categorical, threshold)


def test_false_alarms_are_as_rare_as_the_threshold_says_and_evidentlys_own_are_not() -> None:
    from evidently.legacy.calculations.stattests.chisquare_stattest import _chi_stat_test

    random, rounds = np.random.default_rng(3), 300
    shares = random.dirichlet(np.full(20, 8.0))
    ours = theirs = 0
    for _ in range(rounds):
        ref, cur = (pd.Series(random.choice(20, 500, p=shares)) for _ in range(2))
        ours += two_sample(ref, cur)[1]
        theirs += bool(_chi_stat_test(ref, cur, adapter.ColumnType.Categorical, 0.05)[1])
    assert 0.01 <= ours / rounds <= 0.10
    assert theirs / rounds > 0.4


def test_a_real_change_is_found() -> None:
    p_value, drifted = two_sample(categories(0.5, 0.3, 0.2, rows=500), categories(0.3, 0.3, 0.4, rows=500))
    assert p_value < 1e-4
    assert drifted


def test_rare_categories_are_pooled_not_dropped() -> None:
    common = ["a"] * 300 + ["b"] * 100
    ref = pd.Series(common)
    cur = pd.Series(common + [f"new {n}" for n in range(100)])
    assert two_sample(ref, cur)[0] < 1e-6
    rare = [f"old {n}" for n in range(100)]
    assert two_sample(pd.Series(common + rare), cur)[0] == pytest.approx(1.0)


@pytest.mark.parametrize(("ref", "cur"), [(["a"], ["a"]), (list("abcd"), list("efgh"))])
def test_where_there_is_one_cell_there_is_no_drift(ref: list[str], cur: list[str]) -> None:
    assert two_sample(pd.Series(ref), pd.Series(cur)) == (1.0, False)


def test_the_test_is_symmetric() -> None:
    ref, cur = categories(0.4, 0.4, 0.2, rows=300), categories(0.5, 0.3, 0.2, rows=200)
    assert two_sample(ref, cur)[0] == pytest.approx(two_sample(cur, ref)[0])
