"""A figure with its interval, and how both are written."""

from collections.abc import Callable
from dataclasses import dataclass

_MOST_DIGITS = 18


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% interval; NaN where there is none."""

    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")

    @property
    def text(self) -> str:
        """In hundredths, such as `0.16 [0.12, 0.20]`."""
        # z: a small negative number is not printed as minus zero.
        return f"{self.value:z.2f} {bounds(self.low, self.high)}"

    @property
    def ends_text(self) -> str:
        """The interval alone, in thousandths, such as `-0.003 to 0.120`."""
        return f"{self.low:z.3f} to {self.high:z.3f}"

    @property
    def money_text(self) -> str:
        """As money, such as `1,200 (between 800 and 1,500)`."""
        return f"{money(self.value)} (between {money(self.low)} and {money(self.high)})"


NO_INTERVAL = Interval()
"""Stands for a figure that there is none of."""


def bounds(low: float, high: float) -> str:
    """An interval in hundredths; an end that is near zero in up to four digits, so that one sees on which side it is.

    >>> bounds(0.0036, 0.12), bounds(-0.0009, 0.1), bounds(0.0, 0.12)
    ('[0.004, 0.12]', '[-0.001, 0.10]', '[0.00, 0.12]')
    """
    ends = (distinct(round(end, 4), 0.0, lambda value, more: f"{value:z.{2 + more}f}")[0] for end in (low, high))
    return f"[{', '.join(ends)}]"


def money(value: float) -> str:
    """Money in whole numbers; what is less than ten in two digits.

    >>> money(1234.5), money(-0.004), money(0.123)
    ('1,234', '-0.004', '0.12')
    """
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:z.2g}"


def distinct(first: float, second: float, write: Callable[[float, int], str]) -> tuple[str, str]:
    """Write two numbers that are compared, in the fewest digits in which they do not look alike unless they are equal.

    Args:
        first, second: the numbers.
        write: a number, and how many digits more than usual, in; its text out.

    >>> distinct(0.0511, 0.05, lambda value, more: f"{value:.{2 + more}f}")
    ('0.051', '0.050')
    """
    for more in range(_MOST_DIGITS):
        texts = write(first, more), write(second, more)
        if first == second or texts[0] != texts[1]:
            return texts
    return repr(first), repr(second)
