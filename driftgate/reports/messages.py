"""Messages to people who do not look at the pages: a title, and a sentence with where to read on. Pure, plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from driftgate.errors import DriftgateError
from driftgate.measures import MEASURES
from driftgate.performance.promotion import ModelComparison
from driftgate.reports.notes import start_note
from driftgate.reports.sentences import explanation, headline, next_step
from driftgate.reports.words import month_name, value_texts
from driftgate.store.record import RunRecord


@dataclass(frozen=True)
class Message:
    """What is sent."""

    title: str
    text: str


def decision_message(record: RunRecord, earlier: Sequence[RunRecord], link: str) -> Message:
    """The sentence of the verdict page, what the trigger started, the next step, and the page.

    Args:
        record: the run.
        earlier: records of earlier months with the same kind of reference, as the page has them.
        link: of the page.
    """
    as_of_ref, as_of_cur = record.pair
    title = f"{record.monitor}: {month_name(as_of_cur)} against {month_name(as_of_ref)}"
    step = next_step(record)
    parts = [
        headline(record, earlier),
        explanation(record, earlier),
        start_note(record),
        f"{step.text} {step.command}".strip(),
        link,
    ]
    return Message(title, "\n".join(filter(None, parts)))


def failure_message(monitor: str, error: Exception) -> Message:
    """That a run ended in an error, and in which; of a fault that is not ours its kind alone."""
    why = str(error) if isinstance(error, DriftgateError) else f"{type(error).__name__}; the log of the run has more"
    return Message(f"{monitor}: a run failed", f"The run ended in an error. {why}")


def promotion_message(monitor: str, as_of: date, comparison: ModelComparison) -> Message:
    """That another version serves now."""
    version, before = comparison.challenger, comparison.champion
    trained = f"version {version}, trained on {month_name(as_of)}"
    if before is None:
        text = f"The first model serves: {trained}."
    else:
        text = f"Another model serves: {trained}, in place of version {before}. {_figures(comparison)}"
    warnings = "".join(f"\nWarning: {warning}." for warning in comparison.warnings)
    back = f"\nTo go back: driftgate rollback --monitor {monitor}" if before is not None else ""
    return Message(f"{monitor}: version {version} was promoted", f"{text.strip()}{warnings}{back}")


def _figures(comparison: ModelComparison) -> str:
    if not comparison.measures:
        return ""
    # The first one decides.
    name, change = next(iter(comparison.measures.items()))
    rule = MEASURES[name]
    cur, ref = value_texts(rule, change.cur, change.ref)
    figures = f"its {rule.short} is {cur}, and was {ref}"
    return f"On {comparison.entities:,} entities that neither has seen {figures}."
