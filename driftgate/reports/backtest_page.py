"""The page of a backtest: what each policy costs, and what it loses in which month. Pure, from result to HTML."""

from collections.abc import Sequence
from html import escape

from driftgate.backtest.policies import PolicyName
from driftgate.backtest.replay import PolicyOutcome
from driftgate.backtest.result import MULTIPLES, Backtest
from driftgate.reports import charts
from driftgate.reports.backtest_text import amount_text, cost_text, mean_text, unit_text
from driftgate.reports.layout import page
from driftgate.reports.words import month_name, short_month

_ABOUT = {
    PolicyName.NEVER: "the first model serves throughout",
    PolicyName.EVERY_MONTH: "each month is trained on",
    PolicyName.DRIFT_SHARE: "whenever enough features have moved",
    PolicyName.PERFORMANCE: "whenever the model is surely worse by enough",
    PolicyName.DRIFTGATE: "what this monitor decides",
    PolicyName.HINDSIGHT: "the least cost, known only afterwards",
}


def render(found: Backtest) -> str:
    """The page as HTML."""
    main = f"{_hero(found)}\n{_costs(found)}\n{_months(found)}\n{_how(found)}"
    return page(f"{found.monitor}: backtest", [(found.monitor, "monitor.html"), ("Backtest", "")], main)


def _hero(found: Backtest) -> str:
    months, best, own = found.scores.months, found.best, found.outcome(PolicyName.DRIFTGATE)
    span = f"{month_name(months[0])} to {month_name(months[-1])}, {len(months)} months"
    if best.policy == PolicyName.DRIFTGATE:
        tone, title = "calm", "No other policy would have cost less than this monitor's decisions"
    else:
        tone, title = "wait", f"“{best.policy.capitalize()}” would have cost less than this monitor's decisions"
    more = f"It would have trained again {_times(len(own.retrained))}, {_beyond(found, own)}"
    more += "." if best is own else f"; {best.policy}, {_beyond(found, best)}."
    return (
        f"<div class='hero {tone}'><div class='badges soft small'>{escape(found.monitor)}, {span}</div>"
        f"<h1>{title}.</h1><p class='more'>{escape(more)}</p></div>"
    )


def _times(number: int) -> str:
    return {0: "in no month", 1: "once"}.get(number, f"{number} times")


def _beyond(found: Backtest, item: PolicyOutcome) -> str:
    if amount_text(found, item.regret) == amount_text(found, 0.0):
        return "at the cost of the best in hindsight"
    return f"at a cost of {cost_text(found, item.regret)} beyond the best in hindsight"


def _costs(found: Backtest) -> str:
    measure = found.scores.measure
    others = [multiple for multiple in MULTIPLES if multiple != 1.0]
    heads = ["Policy", "Retrainings", f"Mean {measure.short}", "Cost", "Beyond the best"]
    heads += [f"At {multiple:g}&#160;&#215;" for multiple in others]
    most = max(item.regret for item in found.outcomes) or 1.0
    rows = "".join(_cost_row(found, item, most, others) for item in found.outcomes)
    return (
        f"<section><h2>What does each policy cost?</h2><p class='soft'>{escape(_counted(found))} What a policy costs "
        "beyond the best in hindsight is its regret; the last columns have it where a retraining costs half, twice or "
        "four times as much.</p>"
        "<div class='scroll' tabindex='0' role='region' aria-label='What each policy costs'>"
        "<table class='ledger policies stack'><thead><tr>"
        + "".join(f"<th scope='col'{_side_of(head)}>{head}</th>" for head in heads)
        + f"</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _side_of(head: str) -> str:
    """Numbers stand below the end of their heading."""
    return "" if head in ("Policy", "Beyond the best") else " class='number'"


def _counted(found: Backtest) -> str:
    """What a cost is, in two sentences."""
    amount = amount_text(found, found.prices.retraining)
    if found.prices.money:
        return f"In {unit_text(found)}. A retraining costs {amount}."
    unit = found.scores.measure.unit
    return f"In {unit_text(found)}. A retraining counts as much as one month that loses {amount} {unit}."


def _cost_row(found: Backtest, item: PolicyOutcome, most: float, others: Sequence[float]) -> str:
    drawn = f"<i style='width:{item.regret / most * 100:.2f}%'></i>" if item.regret else ""
    bar = (
        f"<div class='far'><div class='bar' aria-hidden='true'>{drawn}</div>"
        f"<span class='number'>{amount_text(found, item.regret)}</span></div>"
    )
    cells = [
        ("retrainings", "number", str(len(item.retrained))),
        ("mean", "number", mean_text(found, item)),
        ("cost", "number", amount_text(found, item.cost)),
        ("beyond the best", "away", bar),
    ]
    regrets = [(multiple, found.regrets[multiple][item.policy]) for multiple in others]
    cells += [(f"at {multiple:g} x", "number", amount_text(found, regret)) for multiple, regret in regrets]
    shown = "".join(f"<td class='{kind}' data-name='{name}'>{cell}</td>" for name, kind, cell in cells)
    about = f"<br><small class='soft'>{_ABOUT[PolicyName(item.policy)]}</small>"
    return f"<tr><th scope='row'>{escape(item.policy.capitalize())}{about}</th>{shown}</tr>"


def _months(found: Backtest) -> str:
    served = found.scores.months[1:]
    heads = "".join(f"<th scope='col'>{short_month(month)}</th>" for month in served)
    top = max(max(item.lost) for item in found.outcomes)
    rows = "".join(_month_row(found, item, top) for item in found.outcomes)
    return (
        "<section><h2>What does each policy lose month by month?</h2><p class='soft'>How much worse the model is than "
        f"the best of all earlier ones, in {escape(found.scores.measure.unit)}, on one scale. A filled dot: the policy "
        "trains on that month, and the new model serves from the next one on.</p>"
        "<div class='scroll' tabindex='0' role='region' aria-label='Losses by month'>"
        f"<table class='months' style='--count:{len(served)}'><colgroup><col class='gutter'></colgroup>"
        f"<thead><tr><th scope='row'>Month</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _month_row(found: Backtest, item: PolicyOutcome, top: float) -> str:
    days = found.scores.months
    shown = [charts.Point(days[month], lost, None, month in item.retrained) for month, lost in enumerate(item.lost, 1)]
    name = item.policy.capitalize()
    total = f"{sum(item.lost):.3f} lost in all"
    return (
        f"<tr class='signal'><th scope='row'>{escape(name)}<small>{total}</small></th>"
        f"<td colspan='{len(shown)}'>{charts.trend(shown, f'Lost by {item.policy}', most=top)}</td></tr>"
    )


def _how(found: Backtest) -> str:
    left_out = "".join(f"<li>{month}: {escape(reason)}</li>" for month, reason in found.left_out.items())
    more = f"<p style='margin-top:.8rem'>Months left out:</p><ul>{left_out}</ul>" if left_out else ""
    return (
        "<section><h2>How is it replayed?</h2><p class='soft'>One model is trained on each month. The first serves "
        "from the second month on. In each month a policy sees that month with its labels, and what it did before; a "
        "model trained then serves from the next month on. A model is measured only on later months, and on entities "
        f"that no model was trained on.</p>{more}</section>"
    )
