"""A backtest as lines for people, and as a JSON document, which docs/reference/json.md describes."""

from typing import Any

from driftgate.backtest.replay import PolicyOutcome
from driftgate.backtest.result import MULTIPLES, Backtest
from driftgate.performance.interval import money
from driftgate.reports.terminal import aligned, json_text


def backtest_lines(found: Backtest) -> list[str]:
    """What was replayed, a line for each policy, and what a retraining costs."""
    months, rule = found.scores.months, found.scores.measure
    head = (
        f"[Backtest] {found.monitor} months={len(months)} from={months[0]} to={months[-1]} measure={rule.name} "
        f"retraining_cost={cost_text(found, found.prices.retraining)}"
    )
    names = ("policy", "retrainings", f"mean {rule.name}", "cost", "regret")
    rows = [(*names, *(f"at {multiple:g}x" for multiple in MULTIPLES if multiple != 1.0))]
    rows += [_row(found, item) for item in found.outcomes]
    left_out = [f"left out: {month}: {reason}" for month, reason in found.left_out.items()]
    return [head, *aligned(rows), *left_out]


def _row(found: Backtest, item: PolicyOutcome) -> tuple[str, ...]:
    others = [found.regrets[multiple][item.policy] for multiple in MULTIPLES if multiple != 1.0]
    return (
        item.policy,
        str(len(item.retrained)),
        mean_text(found, item),
        *(amount_text(found, value) for value in (item.cost, item.regret, *others)),
    )


def mean_text(found: Backtest, item: PolicyOutcome) -> str:
    """The mean of the measure over the months: an error as ever, all else in thousandths."""
    measure = found.scores.measure
    return measure.text(item.performance) if measure.lower_is_better else f"{item.performance:.3f}"


def amount_text(found: Backtest, value: float) -> str:
    """A cost without its unit: units of the measure in thousandths."""
    return money(value) if found.prices.money else f"{value:.3f}"


def cost_text(found: Backtest, value: float) -> str:
    """A cost with its unit; money has the unit that the monitor's costs have."""
    unit = "" if found.prices.money else f" {unit_text(found)}"
    return f"{amount_text(found, value)}{unit}"


def unit_text(found: Backtest) -> str:
    """What a cost is counted in."""
    return "the money of retrain_cost" if found.prices.money else f"{found.scores.measure.unit} times months"


def backtest_document(found: Backtest) -> str:
    """The whole result as JSON."""
    return json_text(
        {
            "monitor": found.monitor,
            "measure": found.scores.measure.name,
            "months": [month.isoformat() for month in found.scores.months],
            "entities": list(found.scores.entities),
            "left_out": [{"month": month.isoformat(), "reason": reason} for month, reason in found.left_out.items()],
            "retraining_cost": found.prices.retraining,
            "unit_cost": found.prices.units.tolist(),
            "in_money": found.prices.money,
            "policies": [_policy(found, item) for item in found.outcomes],
            "scores": [
                {"trained_on": month.isoformat(), "values": found.scores.values[at, at + 1 :].tolist()}
                for at, month in enumerate(found.scores.months[:-1])
            ],
        }
    )


def _policy(found: Backtest, item: PolicyOutcome) -> dict[str, Any]:
    months = found.scores.months
    return {
        "policy": item.policy,
        "retrained": [months[at].isoformat() for at in item.retrained],
        "served": [
            {
                "month": months[month].isoformat(),
                "trained_on": months[trained].isoformat(),
                "value": float(found.scores.values[trained, month]),
                "lost": lost,
            }
            for month, (trained, lost) in enumerate(zip(item.trained, item.lost, strict=True), 1)
        ],
        "performance": item.performance,
        "cost": item.cost,
        "regret": item.regret,
        "regrets": [{"multiple": multiple, "regret": found.regrets[multiple][item.policy]} for multiple in MULTIPLES],
    }
