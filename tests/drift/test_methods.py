"""Which method compares a feature: the border, the overrides, and the direction of each."""

from pathlib import Path

import pytest

from driftgate.drift.methods import choose_method
from driftgate.drift.result import is_drift
from driftgate.errors import ConfigurationError
from driftgate.features.types import Kind
from driftgate.methods import METHODS, DriftMethod
from driftgate.monitors import ColumnRule, read_monitor


@pytest.mark.parametrize(
    ("kind", "distinct", "method"),
    [
        (Kind.NUMERIC, 6, "wasserstein"),
        (Kind.NUMERIC, 5, "jensenshannon"),
        (Kind.NUMERIC, 1, "jensenshannon"),
        (Kind.CATEGORICAL, 2, "jensenshannon"),
        (Kind.CATEGORICAL, 5000, "jensenshannon"),
    ],
)
def test_the_method_is_a_distance_and_follows_the_type(kind: Kind, distinct: int, method: str) -> None:
    assert choose_method("f", kind, distinct, None) == (method, 0.1)
    assert choose_method("f", kind, distinct, ColumnRule()) == (method, 0.1)


@pytest.mark.parametrize("method", ["wasserstein", "ks"])
@pytest.mark.parametrize("kind", [Kind.CATEGORICAL])
def test_an_override_that_does_not_fit_is_refused(kind: Kind, method: str) -> None:
    with pytest.raises(ConfigurationError, match=f"columns.plan: the method '{method}' does not fit") as caught:
        choose_method("plan", kind, 3, ColumnRule(method=method))
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
    assert choose_method("f", kind, 50, ColumnRule(method=method)) == (method, expected)
    assert choose_method("f", kind, 50, ColumnRule(method=method, threshold=0.0)) == (method, 0.0)


def test_a_threshold_alone_keeps_the_method() -> None:
    assert choose_method("f", Kind.NUMERIC, 50, ColumnRule(threshold=0.25)) == ("wasserstein", 0.25)


@pytest.mark.parametrize("method", ["wasserstein", "jensenshannon", "psi", "kl_div", "hellinger"])
def test_a_distance_drifts_from_its_threshold_on(method: str) -> None:
    assert [is_drift(method, score, 0.1) for score in (0.0999, 0.1, 0.2)] == [False, True, True]


@pytest.mark.parametrize("method", ["ks", "two_sample_chisquare"])
def test_a_p_value_drifts_below_its_threshold(method: str) -> None:
    assert [is_drift(method, score, 0.05) for score in (0.0499, 0.05, 0.2)] == [True, False, False]


@pytest.mark.parametrize("p_value", [True, False])
def test_an_entry_in_the_table_is_all_that_settings_and_direction_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, p_value: bool
) -> None:
    monkeypatch.setitem(METHODS, "unheard", DriftMethod("unheard", ("numeric",), p_value, 0.2, "a distance of no one"))
    (tmp_path / "monitors.toml").write_text(
        '[m]\nfeature_service = "s"\n[m.entity]\ntable = "t"\nkey = "id"\ntimestamp = "at"\n'
        '[m.columns.fee]\nmethod = "unheard"\n'
    )
    rule = read_monitor(tmp_path / "monitors.toml", "m").columns["fee"]
    assert choose_method("fee", Kind.NUMERIC, 50, rule) == ("unheard", 0.2)
    with pytest.raises(ConfigurationError, match="does not fit a categorical feature"):
        choose_method("fee", Kind.CATEGORICAL, 5, rule)
    assert [is_drift("unheard", score, 0.2) for score in (0.1, 0.2, 0.3)] == [p_value, not p_value, not p_value]


def test_a_method_that_is_not_in_the_table_is_not_judged() -> None:
    with pytest.raises(KeyError):
        is_drift("unheard", 0.1, 0.2)
