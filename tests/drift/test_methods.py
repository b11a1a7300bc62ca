"""Which test compares a feature: the borders, the overrides, and the noise that decides between distance and test."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from driftgate.drift.methods import choose_method, jensenshannon_noise
from driftgate.drift.result import is_drift
from driftgate.errors import ConfigurationError
from driftgate.features.types import Kind
from driftgate.methods import METHODS, DriftMethod
from driftgate.monitors import ColumnRule, read_monitor


@pytest.mark.parametrize(
    ("kind", "ref", "cur", "distinct", "method"),
    [
        (Kind.NUMERIC, 1001, 1001, 6, "wasserstein"),
        (Kind.NUMERIC, 1000, 1001, 6, "ks"),
        (Kind.NUMERIC, 1001, 1000, 6, "ks"),
        (Kind.NUMERIC, 1001, 1001, 5, "jensenshannon"),
        (Kind.NUMERIC, 1000, 1001, 5, "two_sample_chisquare"),
        (Kind.NUMERIC, 5000, 5000, 1, "jensenshannon"),
        (Kind.CATEGORICAL, 1001, 1001, 2, "jensenshannon"),
        (Kind.CATEGORICAL, 1001, 1000, 2, "two_sample_chisquare"),
        (Kind.CATEGORICAL, 100, 1_000_000, 2, "two_sample_chisquare"),
        # (k - 1) / 8 * (1 / n + 1 / m) = 0.05 ** 2
        (Kind.CATEGORICAL, 2000, 2000, 21, "jensenshannon"),
        (Kind.CATEGORICAL, 2000, 2000, 22, "two_sample_chisquare"),
        (Kind.CATEGORICAL, 1001, 1001, 60, "two_sample_chisquare"),
        (Kind.CATEGORICAL, 100_000, 100_000, 900, "jensenshannon"),
    ],
)
def test_the_method_follows_type_and_size(kind: Kind, ref: int, cur: int, distinct: int, method: str) -> None:
    threshold = 0.05 if method in {"ks", "two_sample_chisquare"} else 0.1
    assert choose_method("f", kind, ref, cur, distinct, None) == (method, threshold)
    assert choose_method("f", kind, ref, cur, distinct, ColumnRule()) == (method, threshold)


@pytest.mark.parametrize("method", ["wasserstein", "ks"])
@pytest.mark.parametrize("kind", [Kind.CATEGORICAL])
def test_an_override_that_does_not_fit_is_refused(kind: Kind, method: str) -> None:
    with pytest.raises(ConfigurationError, match=f"columns.plan: the method '{method}' does not fit") as caught:
        choose_method("plan", kind, 5000, 5000, 3, ColumnRule(method=method))
    assert caught.value.allowed == "jensenshannon, psi, kl_div, hellinger, two_sample_chisquare"


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        *((Kind.NUMERIC, method) for method in ("wasserstein", "jensenshannon", "psi", "kl_div", "hellinger", "ks")),
        *((Kind.CATEGORICAL, method) for method in ("jensenshannon", "psi", "kl_div", "hellinger")),
        (Kind.NUMERIC, "two_sample_chisquare"),
        (Kind.CATEGORICAL, "two_sample_chisquare"),
    ],
)
def test_an_override_that_fits_is_taken_with_its_own_default(kind: Kind, method: str) -> None:
    expected = 0.05 if method in {"ks", "two_sample_chisquare"} else 0.1
    assert choose_method("f", kind, 5000, 5000, 50, ColumnRule(method=method)) == (method, expected)
    assert choose_method("f", kind, 5000, 5000, 50, ColumnRule(method=method, threshold=0.0)) == (method, 0.0)


def test_a_threshold_alone_keeps_the_method() -> None:
    assert choose_method("f", Kind.NUMERIC, 5000, 5000, 50, ColumnRule(threshold=0.25)) == ("wasserstein", 0.25)
    assert choose_method("f", Kind.NUMERIC, 500, 500, 50, ColumnRule(threshold=0.01)) == ("ks", 0.01)


@pytest.mark.parametrize(
    ("categories", "ref", "cur"), [(2, 1001, 1001), (5, 2000, 800), (20, 1500, 6000), (60, 5000, 5000)]
)
def test_the_noise_is_what_a_simulation_gives(categories: int, ref: int, cur: int) -> None:
    random = np.random.default_rng(categories)
    shares = random.dirichlet(np.full(categories, 20.0))
    then, now = random.multinomial(ref, shares, 2000) / ref, random.multinomial(cur, shares, 2000) / cur
    distances = np.nan_to_num(jensenshannon(then, now, axis=1))
    rms = float(np.sqrt(np.mean(distances**2)))
    assert jensenshannon_noise(categories, ref, cur) == pytest.approx(rms, rel=0.06)


def test_a_single_category_makes_no_noise() -> None:
    assert jensenshannon_noise(1, 100, 100) == jensenshannon_noise(0, 100, 100) == 0.0


@pytest.mark.parametrize("method", ["wasserstein", "jensenshannon", "psi", "kl_div", "hellinger"])
def test_a_distance_drifts_from_its_threshold_on(method: str) -> None:
    assert [is_drift(method, score, 0.1) for score in (0.0999, 0.1, 0.2)] == [False, True, True]


@pytest.mark.parametrize("method", ["ks", "two_sample_chisquare"])
def test_a_p_value_drifts_below_its_threshold(method: str) -> None:
    assert [is_drift(method, score, 0.05) for score in (0.0499, 0.05, 0.2)] == [True, False, False]


@pytest.mark.parametrize("p_value", [True, False])
def test_an_entry_in_the_table_is_all_that_a_new_method_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, p_value: bool
) -> None:
    monkeypatch.setitem(METHODS, "energy", DriftMethod("energy", ("numeric",), p_value, 0.2, "energy distance"))
    (tmp_path / "monitors.toml").write_text(
        '[m]\nfeature_service = "s"\n[m.entity]\ntable = "t"\nkey = "id"\ntimestamp = "at"\n'
        '[m.columns.fee]\nmethod = "energy"\n'
    )
    rule = read_monitor(tmp_path / "monitors.toml", "m").columns["fee"]
    assert choose_method("fee", Kind.NUMERIC, 5000, 5000, 50, rule) == ("energy", 0.2)
    with pytest.raises(ConfigurationError, match="does not fit a categorical feature"):
        choose_method("fee", Kind.CATEGORICAL, 5000, 5000, 5, rule)
    assert [is_drift("energy", score, 0.2) for score in (0.1, 0.2, 0.3)] == [p_value, not p_value, not p_value]


def test_a_method_that_is_not_in_the_table_is_not_judged() -> None:
    with pytest.raises(KeyError):
        is_drift("energy", 0.1, 0.2)
