"""The table of drift methods. A method that is entered here is allowed in monitors.toml and judged in its direction."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DriftMethod:
    """One way to compare a column of two months.

    Attributes:
        name: as monitors.toml, the reports and Evidently call it.
        kinds: kinds of feature it compares, as `driftgate.features.types.Kind` calls them.
        p_value: whether the score is a p-value (drift below the threshold) or a distance (drift from it on).
        default_threshold: where monitors.toml names none.
        description: as Evidently's page shows it.
    """

    name: str
    kinds: tuple[str, ...]
    p_value: bool
    default_threshold: float
    description: str


_NUMERIC = ("numeric",)
_BOTH = ("numeric", "categorical")

# Evidently's own thresholds: docs.evidentlyai.com, "Data drift algorithm".
METHODS = {
    method.name: method
    for method in (
        DriftMethod("wasserstein", _NUMERIC, False, 0.1, "Wasserstein distance (normed)"),
        DriftMethod("jensenshannon", _BOTH, False, 0.1, "Jensen-Shannon distance"),
        DriftMethod("psi", _BOTH, False, 0.1, "PSI"),
        DriftMethod("kl_div", _BOTH, False, 0.1, "Kullback-Leibler divergence"),
        DriftMethod("hellinger", _BOTH, False, 0.1, "Hellinger distance"),
        DriftMethod("ks", _NUMERIC, True, 0.05, "K-S p_value"),
        DriftMethod("two_sample_chisquare", _BOTH, True, 0.05, "two-sample chi-square p_value"),
    )
}
