"""Which month is meant, and which months are compared with which. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from driftgate.errors import UnknownMonthError, UsageError, bounded

Pair = tuple[date, date]

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_HOW_A_MONTH_COMES = (
    "a month is there once its rows are in the source of the monitor's entities; "
    "`driftgate ingest DIR --as-of YYYY-MM-DD` puts one of the worked case into its tables"
)


def parse_as_of(text: str) -> date:
    """The day on which a month was taken.

    >>> parse_as_of("2024-01-31")
    datetime.date(2024, 1, 31)

    Raises:
        UsageError: the text is not a date of the form YYYY-MM-DD, or there is no such day.
    """
    try:
        if not _ISO_DATE.fullmatch(text):
            raise ValueError("the form is not YYYY-MM-DD")
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text[:60]!r} is not a date: {error}",
            allowed="a date as 'YYYY-MM-DD', for example 2024-01-31",
            remedy="correct the date",
        ) from error


@dataclass(frozen=True)
class Reference:
    """How the reference month of a current month is found.

    Attributes:
        day: always this month; None where it moves along.
        back: so many loaded months before, where it moves along.
    """

    day: date | None = None
    back: int = 1


def parse_reference(text: str) -> Reference:
    """Read `previous`, `fixed:2024-01-31` or `rolling:12`.

    Raises:
        UsageError: it is none of these.

    >>> parse_reference("rolling:12")
    Reference(day=None, back=12)
    """
    if text == "previous":
        return Reference()
    if found := re.fullmatch(r"rolling:([1-9]\d{0,3})", text):
        return Reference(back=int(found[1]))
    if found := re.fullmatch(r"fixed:(\d{4}-\d{2}-\d{2})", text):
        try:
            return Reference(day=date.fromisoformat(found[1]))
        except ValueError:
            pass
    raise UsageError(
        f"reference {text[:80]!r} is not understood",
        allowed="previous, fixed:YYYY-MM-DD (always that month), rolling:N (N loaded months before)",
    )


def chosen_month(months: Sequence[date], as_of: date | None = None) -> date:
    """The month that is asked for; by default the newest.

    Args:
        months: loaded ones, ascending.
        as_of: one of them.

    Raises:
        UnknownMonthError: it is not among them, or there is none at all.

    >>> str(chosen_month([date(2024, 1, 31), date(2024, 2, 29)]))
    '2024-02-29'
    """
    if as_of is None and months:
        return months[-1]
    if as_of is None or as_of not in months:
        raise _not_loaded(f"no month is loaded for as_of {as_of}" if as_of else "no month is loaded", months)
    return as_of


def chosen_pair(months: Sequence[date], as_of_ref: date | None, as_of_cur: date | None) -> Pair:
    """The pair that is asked for: the dates given, else the newest month and the one before the current month.

    Args:
        months: loaded ones, ascending.
        as_of_ref, as_of_cur: two of them.

    Raises:
        UnknownMonthError: a date is not among the months, or there are too few of them.
        UsageError: the reference is not the older one of the two.
    """
    if as_of_ref is None and as_of_cur is None and len(months) < 2:
        raise UnknownMonthError(
            f"two months are needed and {len(months)} is loaded ({bounded(months)})",
            remedy=_HOW_A_MONTH_COMES,
        )
    if as_of_ref is not None:
        chosen_month(months, as_of_ref)
    current = chosen_month(months, as_of_cur)
    older = [month for month in months if month < current]
    if as_of_ref is None and not older:
        raise _not_loaded("there is no older month to compare with", months)
    reference = older[-1] if as_of_ref is None else as_of_ref
    require_order(reference, current)
    return reference, current


def require_order(as_of_ref: date, as_of_cur: date) -> None:
    """Check that the reference is the older one of two months.

    Raises:
        UsageError: it is the same month, or a later one.
    """
    if as_of_ref == as_of_cur:
        raise UsageError(
            f"as_of_ref and as_of_cur are both {as_of_ref}",
            remedy="give two different months, the older as as_of_ref",
        )
    if as_of_ref > as_of_cur:
        raise UsageError(
            f"as_of_ref {as_of_ref} is later than as_of_cur {as_of_cur}",
            allowed="the reference month is the older one",
            remedy=f"swap them: as_of_ref={as_of_cur} as_of_cur={as_of_ref}",
        )


def _not_loaded(received: str, months: Sequence[date]) -> UnknownMonthError:
    if not months:
        return UnknownMonthError(received, remedy=_HOW_A_MONTH_COMES)
    return UnknownMonthError(
        received, allowed=bounded(months[::-1]), remedy=f"choose one of these dates; {_HOW_A_MONTH_COMES}"
    )


def pairs_of(
    months: Sequence[date], reference: Reference, start: date | None = None, end: date | None = None
) -> list[Pair]:
    """Pairs (reference, current) for each current month in [start, end] that has a reference, oldest first.

    Args:
        months: loaded ones, ascending.
        reference: how the reference is found.
        start, end: of the current months; None for no bound.

    Raises:
        UnknownMonthError: the fixed reference is not among the months.
        UsageError: start is later than end.

    >>> january, february, march = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)
    >>> months = [january, february, march]
    >>> len(pairs_of(months, Reference())), len(pairs_of(months, Reference(back=2)))
    (2, 1)
    """
    if start and end and start > end:
        raise UsageError(f"--from {start} is later than --to {end}", remedy="swap them")
    if reference.day is not None and reference.day not in months:
        raise UnknownMonthError(f"no month is loaded for the fixed reference {reference.day}", allowed=bounded(months))
    found = []
    for position, current in enumerate(months):
        if (start and current < start) or (end and current > end):
            continue
        if reference.day is not None:
            if reference.day < current:
                found.append((reference.day, current))
        elif position >= reference.back:
            found.append((months[position - reference.back], current))
    return found


def history_pairs(
    months: Sequence[date], reference: Reference, start: date | None = None, end: date | None = None
) -> list[Pair]:
    """`pairs_of`, at least one of them.

    Raises:
        UnknownMonthError: no month within the bounds has a reference, or the fixed one is not among the months.
        UsageError: start is later than end.
    """
    found = pairs_of(months, reference, start, end)
    if not found:
        bounds = f" from {start or 'the first'} to {end or 'the last'}" if start or end else ""
        raise UnknownMonthError(
            f"there is no loaded month{bounds} that has a reference before it",
            allowed=f"two months, such as two of these: {bounded(months[::-1])}",
            remedy=f"give other bounds; {_HOW_A_MONTH_COMES}",
        )
    return found


def due_pairs(months: Sequence[date], judged: Iterable[Pair], pending: Iterable[Pair]) -> list[Pair]:
    """What a schedule has to judge: each month without a verdict since the first judged, and pairs that lacked labels.

    Where nothing was ever judged it is the newest month alone: a long history is for a backfill.

    Args:
        months: loaded ones, ascending.
        judged: pairs that have a verdict.
        pending: those of them that lacked labels, and are to be judged again.
    """
    every = pairs_of(months, Reference())
    done = {current for _, current in judged}
    fresh = [pair for pair in every if pair[1] > min(done) and pair[1] not in done] if done else every[-1:]
    waiting = [pair for pair in pending if pair[0] in months and pair[1] in months]
    return sorted({*waiting, *fresh}, key=lambda pair: (pair[1], pair[0]))
