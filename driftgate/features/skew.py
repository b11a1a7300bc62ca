"""Whether the features that are served are those that a model learns from, entity by entity. Pure.

What is learnt is the offline join of a month. What is served is what the online store holds of that month, and what
the prediction service read from it, as its log says. Distributions would hide values that were swapped between two
entities, so rows are compared.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # What was found is plain Python, for who reads a record and no features.
    from driftgate.features.types import DeclaredFeature

STANDS_FOR = timedelta(days=2)
"""How long a check that found no skew says something. The schedule checks every day, and one run may be late."""

_EXAMPLES = 5
_FLOAT32, _FLOAT64 = 2.0**-23, 2.0**-52

Row = Mapping[str, Any]


class Served(StrEnum):
    """Where served features are read."""

    ONLINE = "online"
    LOG = "log"


class SkewVerdict(StrEnum):
    """What a check says."""

    SKEW = "SKEW"
    NO_SKEW = "NO_SKEW"


class SkewState(StrEnum):
    """What is known of the served features of a month."""

    NOT_CHECKED = "not checked"
    NOT_CHECKED_SINCE = "not checked since"
    AGREES = "agrees"
    MISMATCHES = "mismatches"


@dataclass(frozen=True)
class Mismatch:
    """Entities of which one feature is served with another value.

    Attributes:
        examples: keys of some of them, at most five.
    """

    feature: str
    entities: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class SourceSkew:
    """How the rows of one source differ from the rows of the offline join.

    Attributes:
        compared: entities that were compared.
        differing: those of them with any difference, or without a whole row.
        incomplete: those that the source lacks, or of which it has features of several months, or not all features.
        incomplete_examples: keys of some of these, at most five.
        mismatches: features that differ, the one with the most entities first.
        surplus: entities that the online store serves and the month does not have; they are among those compared, and
            among those that differ.
        surplus_examples: keys of some of these, at most five.
    """

    source: Served
    compared: int
    differing: int = 0
    incomplete: int = 0
    incomplete_examples: tuple[str, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    surplus: int = 0
    surplus_examples: tuple[str, ...] = ()

    @property
    def share(self) -> float | None:
        """Differing over compared entities; None where there is nothing to compare."""
        return self.differing / self.compared if self.compared else None


@dataclass(frozen=True)
class Skew:
    """What a check of one month found.

    Attributes:
        entities: of the month.
        threshold: share of differing entities above which there is skew.
    """

    monitor: str
    as_of: date
    entities: int
    threshold: float
    sources: tuple[SourceSkew, ...]

    @property
    def verdict(self) -> SkewVerdict:
        """SKEW where a source differs in more than the allowed share of its entities."""
        found = any(item.share is not None and item.share > self.threshold for item in self.sources)
        return SkewVerdict.SKEW if found else SkewVerdict.NO_SKEW

    def to_dict(self) -> dict[str, Any]:
        """The same in JSON's types."""
        sources = [asdict(item) | {"share": item.share} for item in self.sources]
        return {**vars(self), "as_of": self.as_of.isoformat(), "verdict": self.verdict, "sources": sources}


@dataclass(frozen=True)
class SkewCheck:
    """A check of one month, as it is kept.

    Attributes:
        checked_at: when the rows were compared, with a time zone.
        changed_at: when what is compared was last written, as far as that is known.
    """

    skew: Skew
    checked_at: datetime
    changed_at: datetime | None = None

    def state(self, moment: datetime) -> SkewState:
        """What is known at a moment. Where no entity was compared, nothing agrees.

        A check that agreed says so for a while. Mismatches stand until the next check, as nothing says that they are
        mended.
        """
        if all(item.share is None for item in self.skew.sources):
            return SkewState.NOT_CHECKED
        if self.skew.verdict is SkewVerdict.SKEW:
            return SkewState.MISMATCHES
        changed = self.changed_at is not None and self.changed_at > self.checked_at
        outdated = changed or moment - self.checked_at > STANDS_FOR
        return SkewState.NOT_CHECKED_SINCE if outdated else SkewState.AGREES


def with_surplus(found: SourceSkew, entities: int, served: int, looked_at: int, strangers: Sequence[str]) -> SourceSkew:
    """Return what was found of the online store, with the entities that it serves and the month does not have.

    Of a large store only a part of the keys is looked up. Where it has more keys than the month has entities, so many
    are surplus at least, whichever were looked up; they count in proportion.

    Args:
        entities: of the month.
        served: keys of the store.
        looked_at: how many of them were looked up in the month.
        strangers: those of them that it does not have.
    """
    least = math.ceil(max(0, served - entities) * looked_at / served) if served else 0
    surplus = max(len(strangers), least)
    return replace(
        found,
        compared=found.compared + surplus,
        differing=found.differing + surplus,
        surplus=surplus,
        surplus_examples=tuple(strangers[:_EXAMPLES]),
    )


def compare_rows(
    source: Served,
    learnt: Mapping[str, Row],
    served: Mapping[str, Row],
    features: "Sequence[DeclaredFeature]",
    incomplete: Collection[str] = (),
) -> SourceSkew:
    """Compare the features of each entity.

    The online store must have each entity of the offline join, and no other; see `with_surplus`. The log has those that
    were asked for.

    Args:
        source: of `served`.
        learnt: rows of the offline join by key.
        served: rows of the source by key.
        features: names and types.
        incomplete: keys of which the source has no whole row.
    """
    keys = [key for key in learnt if source is Served.ONLINE or key in served]
    lacking = [key for key in keys if key in incomplete or key not in served]
    differing, mismatches = set(lacking), []
    for item in features:
        wrong = [key for key in keys if key in served and not _same_in(item, learnt[key], served[key])]
        if wrong:
            mismatches.append(Mismatch(item.name, len(wrong), tuple(wrong[:_EXAMPLES])))
            differing.update(wrong)
    worst_first = tuple(sorted(mismatches, key=lambda found: (-found.entities, found.feature)))
    return SourceSkew(
        source, len(keys), len(differing), len(lacking), tuple(lacking[:_EXAMPLES]), mismatches=worst_first
    )


def _same_in(item: "DeclaredFeature", learnt: Row, served: Row) -> bool:
    return same_value(item.dtype, learnt.get(item.name), served.get(item.name))


def same_value(dtype: str, learnt: Any, served: Any) -> bool:
    """Return whether two values of a Feast type are equal as far as the type is exact.

    FLOAT32 has 24 binary digits, FLOAT64 has 53, UNIX_TIMESTAMP whole seconds; the last digit may differ. NULL and NaN
    are both a missing value. A number that is stored as text is another value.

    >>> same_value("FLOAT32", 0.1, 0.10000000149011612), same_value("FLOAT64", 0.1, 0.10000000149011612)
    (True, False)
    """
    if _missing(learnt) or _missing(served):
        return _missing(learnt) and _missing(served)
    if isinstance(learnt, datetime) or isinstance(served, datetime):
        first, second = _moment(learnt), _moment(served)
        return first is not None and second is not None and abs((first - second).total_seconds()) < 1
    if isinstance(learnt, list) or isinstance(served, list):
        return _same_lists(dtype, learnt, served)
    if isinstance(learnt, bool) or isinstance(served, bool):
        return learnt is served
    if isinstance(learnt, int | float) or isinstance(served, int | float):
        return _same_numbers(dtype, learnt, served)
    return str(learnt) == str(served)


def as_logged(value: Any) -> Any:
    """Return a value as the log of predictions can have it: an infinite number is missing, a list is text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, list) else value


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _same_lists(dtype: str, learnt: Any, served: Any) -> bool:
    if not (isinstance(learnt, list) and isinstance(served, list) and len(learnt) == len(served)):
        return False
    return all(same_value(dtype, *pair) for pair in zip(learnt, served, strict=True))


def _same_numbers(dtype: str, learnt: Any, served: Any) -> bool:
    if not (isinstance(learnt, int | float) and isinstance(served, int | float)):
        return False
    if isinstance(learnt, int) and isinstance(served, int):
        return learnt == served
    return math.isclose(learnt, served, rel_tol=_FLOAT32 if "FLOAT32" in dtype.upper() else _FLOAT64)


def _moment(value: Any) -> datetime | None:
    """Return a time in UTC, where a naive one is; the log has times as text."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
