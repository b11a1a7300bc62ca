"""Numbers, months and names as words, the same on every page. Pure.

A share is in percent and the difference of two shares in points; an AUC, and a difference of two, is in hundredths; the
rise of an error is in percent of it.
"""

import math
from datetime import date

from driftgate.measures import Measure
from driftgate.performance.interval import distinct
from driftgate.store.record import RunRecord

# A number from which on it is written whole, and one from which on it would be too long.
# Four digits of 999.95 are 1,000 already: 999.999 in five would read as 1,000 in another form.
_THOUSAND, _LONGEST = 999.95, 1e15

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def month_name(day: date) -> str:
    """The month in words; a day that is not the last of its month is named too.

    >>> month_name(date(2024, 2, 29)), month_name(date(2024, 2, 15))
    ('February 2024', '15 February 2024')
    """
    name = f"{_MONTHS[day.month - 1]} {day.year}"
    last = day == date.max or date.fromordinal(day.toordinal() + 1).month != day.month
    return name if last else f"{day.day} {name}"


def short_month(day: date) -> str:
    """A month for the head of a narrow column, as HTML; the day too where it is not the last of its month.

    >>> short_month(date(2024, 2, 29))
    'Feb<br>2024'
    """
    words = month_name(day).split()
    return f"{' '.join([*words[:-2], words[-2][:3]])}<br>{words[-1]}"


def label_name(record: RunRecord) -> str:
    """The column of the label, or "the label" where the monitor has none."""
    return record.inputs.label.column if record.inputs.label else "the label"


def once_in(p_value: float) -> str:
    """How often chance gives as much.

    >>> once_in(0.0001), once_in(0.004), once_in(0.3)
    ('less than once in 1,000 times', 'about once in 250 times', 'about 30 times in 100')
    """
    if p_value < 0.001:
        return "less than once in 1,000 times"
    return f"about once in {1 / p_value:,.0f} times" if p_value <= 0.05 else f"about {p_value * 100:.0f} times in 100"


def label_kind(record: RunRecord) -> str:
    """What the label's figure is: a rate, a mean, or the shares of its classes."""
    if record.target.classes:
        return "mix of classes"
    return "rate" if is_rate(record) else "mean"


def class_moves(record: RunRecord, most: int) -> str:
    """The classes whose shares moved furthest, in words, such as `late from 20.0% to 36.0%`."""
    moved = [item for item in record.target.classes if item.ref != item.cur][:most]
    return ", ".join(f"{item.name} from {' to '.join(amounts(item.ref, item.cur, rate=True))}" for item in moved)


def is_rate(record: RunRecord) -> bool:
    """Whether the label is shown in percent: both figures are shares, or it has classes."""
    if record.target.classes:
        return True
    values = (record.target.ref, record.target.cur)
    return all(value is not None and 0.0 <= value <= 1.0 for value in values)


def amount(value: float, rate: bool, *, change: bool = False, more: int = 0) -> str:
    """A value of the label: a number, or percent; a change of a rate in points; on demand in more digits."""
    if not rate:
        return number(value, more)
    return f"{value * 100:.{1 + more}f}{' points' if change else '%'}"


def number(value: float, more: int = 0) -> str:
    """A number of any unit in four digits; in the thousands and above whole, and from 1e15 on as a power of ten.

    >>> number(0.12345), number(12345.678), number(12345.678, 1), number(1e20)
    ('0.1235', '12,346', '12,345.7', '1e+20')
    """
    if _THOUSAND <= abs(value) < _LONGEST:
        return f"{value:,.{more}f}"
    return f"{value:,.{4 + more}g}"


def amounts(first: float, second: float, *, rate: bool, change: bool = False) -> tuple[str, str]:
    """Two values of the label that are compared, in digits in which they do not look alike."""
    return distinct(first, second, lambda value, more: amount(value, rate, change=change, more=more))


def percent(value: float, more: int = 0) -> str:
    """A part in percent, without a negative zero; on demand in more digits."""
    return f"{value * 100:z.{more}f}%"


def labelled(share: float) -> str:
    """How much of a month has its label, in whole percent rounded down, as on standard output: 89.9% is not yet 90%.

    >>> labelled(0.899), labelled(0.43)
    ('89%', '43%')
    """
    return f"{math.floor(share * 100 + 1e-9)}%"


def percents(first: float, second: float) -> tuple[str, str]:
    """Two parts that are compared, in percent, in digits in which they do not look alike.

    >>> percents(0.31, 0.02), percents(0.2999, 0.3)
    (('31%', '2%'), ('29.99%', '30.00%'))
    """
    return distinct(first, second, percent)


def drop_text(rule: Measure, value: float, more: int = 0) -> str:
    """How much worse a model is, or a gain: hundredths of an AUC, percent of an error; on demand in more digits."""
    return percent(value, more) if rule.lower_is_better else f"{value:z.{2 + more}f}"


def drop_texts(rule: Measure, first: float, second: float) -> tuple[str, str]:
    """Two such sizes that are compared, in digits in which they do not look alike."""
    return distinct(first, second, lambda value, more: drop_text(rule, value, more))


def value_text(rule: Measure, value: float, more: int = 0) -> str:
    """A value of the measure: an error as a number, all else in hundredths; on demand in more digits."""
    return number(value, more) if rule.lower_is_better else f"{value:z.{2 + more}f}"


def value_texts(rule: Measure, first: float, second: float) -> tuple[str, str]:
    """Two values of the measure that are compared, in digits in which they do not look alike."""
    return distinct(first, second, lambda value, more: value_text(rule, value, more))


def rarely(rate: float) -> str:
    """How often that is, for a reader who counts months."""
    return f"once in {1 / rate:.0f} months" if rate <= 0.1 else f"{rate:.0%} of the time"
