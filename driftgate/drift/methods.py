"""The choice of the drift method for a feature. It is passed on explicitly, so that no verdict depends on a default."""

from driftgate.errors import ConfigurationError
from driftgate.features.types import Kind
from driftgate.methods import METHODS
from driftgate.monitors import ColumnRule

# Evidently has the same limits: docs.evidentlyai.com, "Data drift algorithm".
LARGE_SAMPLE_ROWS = 1000
FEW_DISTINCT_VALUES = 5


def choose_method(
    name: str, kind: Kind, values_ref: int, values_cur: int, distinct: int, rule: ColumnRule | None
) -> tuple[str, float]:
    """Return the method and threshold for one feature.

    A distance measures how large a shift is, and needs many rows to be stable. A test decides whether there is a shift,
    and works with few rows. So a distance is taken above 1,000 values in both months, otherwise a test. Numbers with
    more than five distinct values are compared as numbers, everything else as categories.

    Args:
        values_ref, values_cur: values that are not missing, in rows.
        distinct: distinct values over both months.
        rule: the monitor's override.

    Raises:
        ConfigurationError: the override names a method that does not fit the feature's type.

    >>> choose_method("fee", Kind.NUMERIC, 7043, 7043, 1500, None)
    ('wasserstein', 0.1)
    >>> choose_method("plan", Kind.CATEGORICAL, 400, 400, 3, None)
    ('two_sample_chisquare', 0.05)
    """
    method = (rule.method if rule else None) or _automatic(kind, values_ref, values_cur, distinct)
    allowed = [known.name for known in METHODS.values() if kind in known.kinds]
    if method not in allowed:
        raise ConfigurationError(
            f"columns.{name}: the method {method!r} does not fit a {kind} feature", allowed=", ".join(allowed)
        )
    if rule is not None and rule.threshold is not None:
        return method, rule.threshold
    return method, METHODS[method].default_threshold


def _automatic(kind: Kind, values_ref: int, values_cur: int, distinct: int) -> str:
    large = min(values_ref, values_cur) > LARGE_SAMPLE_ROWS
    if kind is Kind.NUMERIC and distinct > FEW_DISTINCT_VALUES:
        return "wasserstein" if large else "ks"
    if large:
        noise = jensenshannon_noise(distinct, values_ref, values_cur)
        if noise <= METHODS["jensenshannon"].default_threshold / 2:
            return "jensenshannon"
    return "two_sample_chisquare"


def jensenshannon_noise(categories: int, values_ref: int, values_cur: int) -> float:
    """Return the Jensen-Shannon distance (natural logarithm) to expect between two samples of one distribution.

    Under equal distributions 8 JSD / (1/n + 1/m) is chi-square with k - 1 degrees of freedom, the divergence being the
    square of the distance (Grosse et al. 2002, Phys. Rev. E 65, 041905).

    >>> round(jensenshannon_noise(2, 7043, 7043), 3), round(jensenshannon_noise(60, 1001, 1001), 3)
    (0.006, 0.121)
    """
    return float(((categories - 1) / 8 * (1 / values_ref + 1 / values_cur)) ** 0.5) if categories > 1 else 0.0
