"""The decisions of one pair of months in words, such as "triggered under v1, v2 promoted, fine since"."""

from dataclasses import dataclass

from driftgate.decision import HeldBack, Verdict
from driftgate.reports.pills import HELD_BACK
from driftgate.store.record import RunRecord


@dataclass(frozen=True)
class _Step:
    triggered: bool
    champion: str | None
    reason_codes: tuple[str, ...]
    withdrawn: bool = False


def chain_text(record: RunRecord) -> str:
    """How the pair came to its present decision; empty where that is its first."""
    if not record.earlier:
        return ""
    steps = [
        _Step(item.verdict.startswith(Verdict.RETRAINING_TRIGGERED), item.champion, item.reason_codes, item.withdrawn)
        for item in record.earlier
    ]
    steps.append(_Step(record.triggered, record.champion, record.reason_codes))
    parts: list[str] = []
    before: _Step | None = None
    for number, step in enumerate(steps):
        found = _words(step, before, any(item.triggered for item in steps[:number]))
        # Decisions that differ in a figure alone read alike.
        parts += [part for part in found if part not in parts[-1:]]
        before = step
    return ", ".join(parts)


def _words(step: _Step, before: _Step | None, triggered: bool) -> list[str]:
    change = _change(before, step) if before is not None else []
    withdrawn = ["withdrawn"] if step.withdrawn else []
    return [*change, _verdict(step, triggered), *withdrawn]


def _change(before: _Step, step: _Step) -> list[str]:
    if step.champion is None or step.champion == before.champion:
        return []
    back = before.champion is not None and int(step.champion) < int(before.champion)
    return [f"back to v{step.champion}" if back else f"v{step.champion} promoted"]


def _verdict(step: _Step, triggered: bool) -> str:
    """A decision in words; "fine since" only where a trigger came before, which it is since."""
    if step.triggered:
        return f"triggered under v{step.champion}" if step.champion else "triggered without a model"
    held = [HeldBack(code) for code in step.reason_codes if code in set(HeldBack)]
    if held and held != [HeldBack.CHAMPION_KNOWS]:
        return f"held back ({', '.join(HELD_BACK[code] for code in held)})"
    return "fine since" if triggered else "no action"
