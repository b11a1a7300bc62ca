"""The choice of the drift method for a feature. It is passed on explicitly, so that no verdict depends on a default."""

from driftgate.errors import ConfigurationError
from driftgate.features.types import Kind
from driftgate.methods import METHODS
from driftgate.monitors import ColumnRule

# Evidently's own border: docs.evidentlyai.com, "Data drift algorithm".
FEW_DISTINCT_VALUES = 5


def choose_method(name: str, kind: Kind, distinct: int, rule: ColumnRule | None) -> tuple[str, float]:
    """Return the method and threshold for one feature.

    A distance is taken at every size: it measures how large a shift is, and `driftgate.drift.significance` says how
    much of it chance explains. Numbers with more than five distinct values are compared as numbers, everything else by
    its categories.

    Args:
        distinct: distinct values over both months.
        rule: the monitor's override.

    Raises:
        ConfigurationError: the override names a method that does not fit the feature's type.

    >>> choose_method("fee", Kind.NUMERIC, 1500, None)
    ('wasserstein', 0.1)
    >>> choose_method("plan", Kind.CATEGORICAL, 3, None)
    ('jensenshannon', 0.1)
    """
    as_numbers = kind is Kind.NUMERIC and distinct > FEW_DISTINCT_VALUES
    method = (rule.method if rule else None) or ("wasserstein" if as_numbers else "jensenshannon")
    allowed = [known.name for known in METHODS.values() if kind in known.kinds]
    if method not in allowed:
        raise ConfigurationError(
            f"columns.{name}: the method {method!r} does not fit a {kind} feature", allowed=", ".join(allowed)
        )
    if rule is not None and rule.threshold is not None:
        return method, rule.threshold
    return method, METHODS[method].default_threshold
