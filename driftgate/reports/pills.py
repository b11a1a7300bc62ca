"""The pills of a record: short words in a colour that a manager knows, each with the code that an engineer looks for.

All their words stand in this module; docs/reference/pages.md lists them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from driftgate.decision import HeldBack, Verdict
from driftgate.performance.result import PerformanceState
from driftgate.reports.sentences import Tone, action, tone
from driftgate.store.record import EarlierRecord, RunRecord

ACTIONS = {
    "Retrain": "Retrain",
    "Look at the features": "Look",
    "Wait": "Wait",
    "Nothing to do yet": "Wait",
    "Nothing to do": "Fine",
}
"""Each answer, and its word in a narrow column."""

STARTED = {
    "simulated": ("nothing started", "SIMULATED"),
    "off": ("left to others", "RETRAIN OFF"),
    "deployment": ("training asked for", "deployment"),
}
"""What a trigger does, by the monitor's key `retrain`: words and code."""

HELD_BACK = {
    HeldBack.CHAMPION_KNOWS: "the model knows it",
    HeldBack.SEASONAL: "as every year",
    HeldBack.USUAL: "as in other months",
    HeldBack.NO_GAIN: "retraining would not help",
    HeldBack.NOT_WORTH_IT: "retraining would not pay",
    HeldBack.CONFIRMATIONS: "not confirmed yet",
    HeldBack.COOLDOWN: "retrained lately",
}
"""Why a signal does not trigger."""

PENDING = ("labels to come", "pending")
STAND_IN = ("judged by a stand-in", "probe")
EARLIER_MODEL = ("judged by the earlier model", "passed over")
_KNOWN = "Known"


@dataclass(frozen=True)
class Pill:
    """Words in a colour.

    Attributes:
        code: as standard output and the record have it.
    """

    words: str
    tone: Tone
    code: str

    @property
    def html(self) -> str:
        """A badge with its code as a tooltip."""
        return f"<span class='badge {self.tone}' title='{escape(self.code)}'>{escape(self.words)}</span>"


def pills(record: RunRecord) -> list[Pill]:
    """The answer, and what keeps it from being the last word."""
    return [Pill(action(record), tone(record), record.verdict), *_more(record)]


def _more(record: RunRecord) -> Iterator[Pill]:
    if record.triggered and record.retrain in STARTED:
        words, code = STARTED[record.retrain]
        yield Pill(words, Tone.WAIT, code)
    if record.held_back:
        rule = record.held_back_code
        yield Pill(HELD_BACK[rule] if rule else "held back", Tone.WAIT, rule or "held back")
    if record.pending:
        yield Pill(PENDING[0], Tone.WAIT, PENDING[1])
    if mark := judged_by(record):
        yield mark


def judged_by(record: RunRecord) -> Pill | None:
    """That a stand-in or an earlier model was judged; None where it was the model in use, or none was."""
    found = record.performance
    if found is None or found.state is not PerformanceState.MEASURED:
        return None
    if record.judged_by_stand_in:
        return Pill(STAND_IN[0], Tone.WAIT, STAND_IN[1])
    return Pill(EARLIER_MODEL[0], Tone.KNOWN, EARLIER_MODEL[1]) if found.passed_over else None


def pills_html(record: RunRecord) -> str:
    """The pills of a record; a trigger of the pair that was acted on stays to be seen, before what followed."""
    shown = " ".join(pill.html for pill in pills(record))
    triggers = [item for item in record.earlier if _is_trigger(item)]
    if not triggers or record.triggered:
        return shown
    before = Pill("Retrain", Tone.ACT, triggers[-1].verdict)
    return f"{before.html} <span class='soft small'>then</span> {shown}"


def _is_trigger(item: EarlierRecord) -> bool:
    return item.verdict.startswith(Verdict.RETRAINING_TRIGGERED) and not item.withdrawn


def short_answer(record: RunRecord) -> str:
    """The answer in one word, for a narrow column."""
    return _KNOWN if tone(record) is Tone.KNOWN else ACTIONS[action(record)]
