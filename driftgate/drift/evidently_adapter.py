"""The one module that imports evidently: a report of two frames, and its drift scores read as typed results."""

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from driftgate.drift.report import ColumnTest, DrawnReport
from driftgate.errors import MissingSignalError, bounded
from driftgate.features.types import Kind
from driftgate.methods import METHODS

# The chi-square approximation needs this many expected rows in each cell (Cochran 1954).
_LEAST_EXPECTED = 5
# A line of Evidently's page that holds a JSON document.
_DATA_LINE = re.compile(r"^ *var (?:additional_graphs_)?metric_\w+ = \{.*$", re.MULTILINE)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings that libraries give about themselves. No code of Driftgate's own runs inside."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


with _quiet():
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.metric_types import SingleValue
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType
    from evidently.metrics import ValueDrift
    from evidently.presets import DataDriftPreset, DataSummaryPreset


def run_report(
    ref: pd.DataFrame,
    cur: pd.DataFrame,
    features: Sequence[ColumnTest],
    uncounted: Sequence[ColumnTest],
    drift_share: float = 0.5,
) -> DrawnReport:
    """Run the presets over the features, and a drift metric for each column that is no feature.

    Args:
        features: count in the share of drifted columns.
        uncounted: the label and the model's scores, which do not count.
        ref, cur: one column for each test; numbers as float64, categories as categorical text, missing as NaN.
        drift_share: the share that the page calls dataset drift; no score depends on it.

    Raises:
        MissingSignalError: Evidently left a column out, or gave a score that is no number.
    """
    tests = [*features, *uncounted]
    definition = DataDefinition(
        numerical_columns=[test.name for test in tests if test.kind is Kind.NUMERIC],
        categorical_columns=[test.name for test in tests if test.kind is not Kind.NUMERIC],
    )
    names = [test.name for test in features]
    metrics: list[Any] = [
        DataDriftPreset(
            columns=names,
            drift_share=drift_share,
            per_column_method={test.name: test.method for test in features},
            per_column_threshold={test.name: test.threshold for test in features},
        ),
    ]
    metrics += [ValueDrift(column=test.name, method=test.method, threshold=test.threshold) for test in uncounted]
    metrics.append(DataSummaryPreset(columns=[test.name for test in tests]))
    with _quiet():
        snapshot = Report(metrics).run(
            Dataset.from_pandas(cur, data_definition=definition), Dataset.from_pandas(ref, data_definition=definition)
        )
        scores = read_scores(snapshot.metric_results.values(), tests)
        html = _with_safe_scripts(snapshot.get_html_str(as_iframe=False))
        return DrawnReport(scores, html, snapshot.json(), snapshot.dumps())


def _with_safe_scripts(html: str) -> str:
    r"""Return the page with `<` escaped in its scripts: `</script>` in a name or category would end the script.

    Evidently writes each JSON document on a line of its own; a reader of the JSON string sees `\u003c` as `<`.
    """
    return _DATA_LINE.sub(lambda line: line[0].replace("<", "\\u003c"), html)


def read_scores(results: Any, tests: Sequence[ColumnTest]) -> dict[str, float]:
    """Return the drift score of each test; it is found by column and method in the typed results.

    Raises:
        MissingSignalError: a test has no result, was run with another method, or its score is not a number.
    """
    found: dict[str, tuple[str, float]] = {}
    for result in results:
        if isinstance(result, SingleValue):
            parameters = result.metric_value_location.metric.params
            if parameters.get("type", "").endswith(":ValueDrift"):
                found[str(parameters.get("column", ""))] = (parameters.get("method", ""), float(result.value))
    wrong = [
        test.name
        for test in tests
        if found.get(test.name, ("", math.nan))[0] != test.method or not math.isfinite(found[test.name][1])
    ]
    if wrong:
        raise MissingSignalError(
            f"Evidently's report has no usable drift score for {bounded(wrong)}",
            allowed="a finite score from the chosen method for every compared column",
            remedy="this Evidently release may have changed its results; install the versions in requirements.lock",
        )
    return {test.name: found[test.name][1] for test in tests}


def _two_sample_chisquare(
    reference: pd.Series, current: pd.Series, feature_type: ColumnType, threshold: float
) -> tuple[float, bool]:
    """Test two samples for one distribution (chi-square, Pearson 1911), rare categories pooled. Return the p-value.

    Evidently's own chi-square test takes the frequencies of the reference as exact. So it finds drift between two
    samples of one distribution far more often than its threshold says.
    """
    from scipy.stats import chi2_contingency

    counts = pd.DataFrame({"ref": reference.value_counts(), "cur": current.value_counts()}).fillna(0)
    smaller = counts.sum().min() / counts.to_numpy().sum()
    rare = counts.sum(axis=1) * smaller < _LEAST_EXPECTED
    pooled = counts[~rare].to_numpy()
    if rare.any():
        pooled = np.vstack([pooled, counts[rare].sum().to_numpy()])
    if len(pooled) < 2:
        return 1.0, False
    p_value = float(chi2_contingency(pooled, correction=False).pvalue)
    return p_value, p_value < threshold


def _scale_free_wasserstein(
    reference: pd.Series, current: pd.Series, feature_type: ColumnType, threshold: float
) -> tuple[float, bool]:
    """Return the Wasserstein distance divided by the reference's standard deviation, in any unit of measurement.

    Evidently's own divides by at least 0.001, so that a feature measured in hundred-thousandths can never drift, and
    its standard deviation overflows from 1e154 on, which makes every distance 0. Elsewhere the two are equal.
    """
    from scipy.stats import wasserstein_distance

    ref, cur = reference.to_numpy(dtype=float), current.to_numpy(dtype=float)
    exponent = int(np.frexp(max(np.abs(ref).max(), np.abs(cur).max()))[1])
    # Dividing by a power of two loses no bit.
    ref, cur = np.ldexp(ref, -exponent), np.ldexp(cur, -exponent)
    spread = float(np.std(ref))
    if spread < 1e-12:
        # The standard deviation of a constant is zero. Take Evidently's least value, or 0.001 times the largest value.
        spread = float(np.ldexp(0.001, -max(exponent, 0)))
    score = float(wasserstein_distance(ref, cur)) / spread
    return score, score >= threshold


_OWN = {"wasserstein": _scale_free_wasserstein, "two_sample_chisquare": _two_sample_chisquare}
_COLUMN_TYPES = {"numeric": ColumnType.Numerical, "categorical": ColumnType.Categorical}

for _name, _function in _OWN.items():
    _method = METHODS[_name]
    register_stattest(
        StatTest(
            name=_name,
            display_name=_method.description,
            allowed_feature_types=[_COLUMN_TYPES[kind] for kind in _method.kinds],
            default_threshold=_method.default_threshold,
        ),
        _function,
    )
