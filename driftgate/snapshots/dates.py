"""Dates of months, as they are numbered.

A module of its own: the worked case imports it, which knows nothing else of loading.
"""

from calendar import monthrange
from datetime import date

FIRST_AS_OF = date(2024, 1, 31)
"""Month number 0."""


def month_end(number: int) -> date:
    """Last day of the month with this number, which is 0 for `FIRST_AS_OF`.

    >>> [str(month_end(number)) for number in (0, 1, 12)]
    ['2024-01-31', '2024-02-29', '2025-01-31']
    """
    years, index = divmod(FIRST_AS_OF.month - 1 + number, 12)
    year = FIRST_AS_OF.year + years
    return date(year, index + 1, monthrange(year, index + 1)[1])
