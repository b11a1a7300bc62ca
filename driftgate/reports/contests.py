"""A contest of champion and challenger as a line, as rows, and as metrics."""

from driftgate.performance.contest import Contest


def contest_rows(contest: Contest) -> list[dict[str, object]]:
    """The measures as rows of a table artifact."""
    return [
        {
            "measure": name,
            f"champion v{contest.champion}": f"{item.ref:.4f}",
            f"challenger v{contest.challenger}": f"{item.cur:.4f}",
            "difference": f"{item.difference:+.4f}",
            "95% interval": f"[{item.low:+.4f}, {item.high:+.4f}]",
        }
        for name, item in contest.measures.items()
    ] or [{"measure": "-", "why": contest.reason}]


def contest_metrics(contest: Contest) -> dict[str, float]:
    """The measures as MLflow metrics of the challenger's run."""
    sides = {
        f"contest_{side}_{name}": getattr(item, attribute)
        for name, item in contest.measures.items()
        for side, attribute in (("champion", "ref"), ("challenger", "cur"))
    }
    return {**sides, "contest_users": float(contest.entities), "contest_promoted": float(contest.promote)}


def contest_line(contest: Contest) -> str:
    """`[Contest] ...` on standard output."""
    champion = f"v{contest.champion}" if contest.champion else "none"
    outcome = "PROMOTED" if contest.promote else "KEPT"
    pair = f"champion={champion} challenger=v{contest.challenger} users={contest.entities}"
    return f"[Contest] {pair} -> {outcome} {contest.reason}"
