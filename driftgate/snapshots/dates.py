"""Dates of months: as they are typed on a command line, and as they are counted."""

import re
from calendar import monthrange
from datetime import date

from driftgate.errors import UsageError

FIRST_AS_OF = date(2024, 1, 31)
"""Month number 0."""

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


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


def month_end(number: int) -> date:
    """Last day of the month with this number, which is 0 for `FIRST_AS_OF`.

    >>> [str(month_end(number)) for number in (0, 1, 12)]
    ['2024-01-31', '2024-02-29', '2025-01-31']
    """
    years, index = divmod(FIRST_AS_OF.month - 1 + number, 12)
    year = FIRST_AS_OF.year + years
    return date(year, index + 1, monthrange(year, index + 1)[1])
