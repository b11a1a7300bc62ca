"""The comparison of champion and challenger as a line, as rows, and as metrics."""

from driftgate.performance.promotion import ModelComparison


def comparison_rows(comparison: ModelComparison) -> list[dict[str, object]]:
    """The measures as rows of a table artifact."""
    return [
        {
            "measure": name,
            f"champion v{comparison.champion}": f"{item.ref:.4f}",
            f"challenger v{comparison.challenger}": f"{item.cur:.4f}",
            "difference": f"{item.difference:+.4f}",
            "95% interval": f"[{item.low:+.4f}, {item.high:+.4f}]",
        }
        for name, item in comparison.measures.items()
    ] or [{"measure": "-", "why": comparison.reason}]


def comparison_metrics(comparison: ModelComparison) -> dict[str, float]:
    """The measures as MLflow metrics of the challenger's run."""
    sides = {
        f"contest_{side}_{name}": getattr(item, attribute)
        for name, item in comparison.measures.items()
        for side, attribute in (("champion", "ref"), ("challenger", "cur"))
    }
    return {
        **sides,
        "contest_users": float(comparison.entities),
        "contest_promoted": float(comparison.promote),
        "contest_warnings": float(len(comparison.warnings)),
    }


def comparison_line(comparison: ModelComparison) -> str:
    """`[Contest] ...` on standard output."""
    champion = f"v{comparison.champion}" if comparison.champion else "none"
    outcome = "PROMOTED" if comparison.promote else "KEPT"
    pair = f"champion={champion} challenger=v{comparison.challenger} entities={comparison.entities}"
    warnings = "".join(f"; WARNING: {warning}" for warning in comparison.warnings)
    return f"[Contest] {pair} -> {outcome} {comparison.reason}{warnings}"
