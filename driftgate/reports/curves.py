"""The curves of a model's scores in a square, as SVG and HTML that fit every width: how they rank, what comes true.

They are drawn from the counts of the record, for the reference and the current month. All axes are in percent.
"""

import math
from collections.abc import Sequence
from html import escape

from driftgate.reports.words import percent
from driftgate.store.performance_record import ScoreBinRecord

# A dot of fewer entities than this part would be chance.
_FEWEST_IN_DOT = 0.05


def roc(bins: Sequence[ScoreBinRecord], words: str, label: str) -> str:
    """The ROC curves of both months: who is found against who is taken for one, from the highest scores down."""
    sides, measured = [_found(bins, side) for side in ("ref", "cur")], f" {words}." if words else ""
    return _square(
        "How it ranks (ROC curve)",
        f"Up: part of all with {label} that is found; to the right: part of all others that is taken for one."
        f"{measured}",
        *([(0.0, 0.0), *side] for side in sides),
    )


def _found(bins: Sequence[ScoreBinRecord], side: str) -> list[tuple[float, float]]:
    """Points of an ROC curve after the origin: shares of the negatives and the positives with at least such scores."""
    counts = [(getattr(item, f"entities_{side}"), getattr(item, f"positives_{side}")) for item in bins]
    positives = sum(each for _, each in counts)
    negatives = sum(entities for entities, _ in counts) - positives
    points_, hits, misses = [], 0, 0
    for entities, positive in reversed(counts):
        hits, misses = hits + positive, misses + entities - positive
        points_.append((misses / max(negatives, 1), hits / max(positives, 1)))
    return points_


def calibration(bins: Sequence[ScoreBinRecord], words: str, label: str) -> str:
    """What came true of each probability, in both months."""
    sides, measured = [_came_true(bins, side) for side in ("ref", "cur")], f" {words}." if words else ""
    most = max((max(point) for side in sides for point in side), default=1.0)
    return _square(
        "Whether its probabilities come true",
        f"To the right: the probability of {label} that the model gave; up: the part that has it.{measured}",
        *sides,
        # So that rare labels fill the frame too.
        top=min(1.0, math.ceil(most * 10) / 10) or 0.1,
        dots=True,
    )


def _came_true(bins: Sequence[ScoreBinRecord], side: str) -> list[tuple[float, float]]:
    """Mean probability and rate of neighbouring bins that hold a twentieth of the entities together."""
    counted = [
        (
            getattr(item, f"entities_{side}"),
            getattr(item, f"positives_{side}"),
            getattr(item, f"mean_score_{side}") or 0.0,
        )
        for item in bins
    ]
    least = sum(entities for entities, _, _ in counted) * _FEWEST_IN_DOT
    found, entities, positives, scores = [], 0, 0, 0.0
    for count, positive, mean in counted:
        entities, positives, scores = entities + count, positives + positive, scores + count * mean
        if entities and entities >= least:
            found.append((scores / entities, positives / entities))
            entities, positives, scores = 0, 0, 0.0
    if entities:
        found.append((scores / entities, positives / entities))
    return found


def _square(
    name: str,
    text: str,
    before: Sequence[tuple[float, float]],
    after: Sequence[tuple[float, float]],
    *,
    top: float = 1.0,
    dots: bool = False,
) -> str:
    """Two curves in a square whose sides go from 0 to `top`, with its diagonal."""

    def placed(points_: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(min(x / top, 1.0) * 100, 100 - min(y / top, 1.0) * 100) for x, y in points_]

    lines = "<polyline class='even' points='0,100 100,0'/>"
    marks = ""
    for kind, side in (("before", placed(before)), ("after", placed(after))):
        lines += f"<polyline class='{kind}' points='{' '.join(f'{x:.2f},{y:.2f}' for x, y in side)}'/>"
        marks += "".join(f"<i class='{kind}' style='left:{x:.2f}%;top:{y:.2f}%'></i>" for x, y in side if dots)
    return (
        f"<figure><h3>{escape(name)}</h3><div class='square' role='img' aria-label='{escape(f'{name}. {text}')}'>"
        f"<svg viewBox='0 0 100 100' preserveAspectRatio='none' aria-hidden='true'>{lines}</svg>{marks}</div>"
        f"<div class='ends' aria-hidden='true'><span>0%</span><span>{percent(top)}</span></div>"
        f"<figcaption class='small soft'>{escape(text)}</figcaption></figure>"
    )
