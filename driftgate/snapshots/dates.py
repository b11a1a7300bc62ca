"""Dates of months: how they are numbered, and which can be.

A module of its own: the worked case imports it, which knows nothing else of loading.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta

from driftgate.errors import UsageError

FIRST_AS_OF = date(2024, 1, 31)
"""Month number 0."""

EARLIEST = date(1970, 1, 1)
"""The first day of which a month can be. Feast keeps times as seconds since then."""

MOST_DAYS_AHEAD = 31
"""A month is named for its last day, and may be loaded while it runs."""


def require_possible(as_of: date, today: date | None = None) -> None:
    """Check that a month can be of a day: neither long before there were such data, nor of a time that is to come.

    A wrong day is no matter of one month alone: the newest month is what is served and judged, and one of the year
    2204 would be the newest for ever.

    Args:
        as_of: the day.
        today: by default that in UTC.

    Raises:
        UsageError: it cannot.
    """
    latest = (today or datetime.now(UTC).date()) + timedelta(days=MOST_DAYS_AHEAD)
    if not EARLIEST <= as_of <= latest:
        raise UsageError(
            f"a month cannot be of {as_of}",
            allowed=f"a day from {EARLIEST} to {latest}, which is {MOST_DAYS_AHEAD} days from today",
            remedy="correct the date, or the name of the folder; nothing was written",
        )


def month_end(number: int) -> date:
    """Last day of the month with this number, which is 0 for `FIRST_AS_OF`.

    >>> [str(month_end(number)) for number in (0, 1, 12)]
    ['2024-01-31', '2024-02-29', '2025-01-31']
    """
    years, index = divmod(FIRST_AS_OF.month - 1 + number, 12)
    year = FIRST_AS_OF.year + years
    return date(year, index + 1, monthrange(year, index + 1)[1])
