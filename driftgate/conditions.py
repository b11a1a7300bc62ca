"""The conditions that monitors.toml may hold: one column and one comparison. They never become SQL text."""

import re
from dataclasses import dataclass

LEARNT = "learnt"
"""In place of a condition: what past months say."""

ALLOWED = (
    "a boolean column, or COLUMN and one of == != < <= > >= and a number, 'text', true or false, or COLUMN is null, or "
    "COLUMN is not null"
)
"""The form of a condition, for messages."""

Value = bool | int | float | str

_WORDS = {"true": True, "false": False}
_COMPARISON = re.compile(
    r"""\s*(?P<column>[^\W\d]\w*)
    \s*(?P<operator>==|!=|<=|>=|<|>)
    \s*(?:(?P<text>'(?:[^'\x00-\x1f]|'')*')|(?P<word>true|false)|(?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))\s*""",
    re.VERBOSE,
)
_NULL = re.compile(r"\s*(?P<column>[^\W\d]\w*)\s+is\s+(?P<negated>not\s+)?null\s*", re.IGNORECASE)
_COLUMN = re.compile(r"[^=<>!'\"\x00-\x1f]+")


@dataclass(frozen=True)
class Condition:
    """What must hold of one column.

    Attributes:
        column: its name.
        operator: one of == != < <= > >=, "is null", "is not null", or empty where the column itself says it.
        value: what the column is compared with; None without a comparison.
    """

    column: str
    operator: str = ""
    value: Value | None = None


def parse_condition(text: str) -> Condition:
    """Read a condition; the name of a column alone is one.

    Raises:
        ValueError: it is of another form.

    >>> parse_condition("status != 'cancelled'")
    Condition(column='status', operator='!=', value='cancelled')
    >>> parse_condition("arrived_at is not null")
    Condition(column='arrived_at', operator='is not null', value=None)
    """
    if found := _NULL.fullmatch(text):
        return Condition(found["column"], "is not null" if found["negated"] else "is null")
    if found := _COMPARISON.fullmatch(text):
        condition = Condition(found["column"], found["operator"], _value(found))
        if condition.operator not in ("==", "!=") and isinstance(condition.value, bool | str):
            # Which of two texts is the greater hangs on the database.
            raise ValueError(f"{text!r} compares by {condition.operator}, which is for numbers; allowed: {ALLOWED}")
        return condition
    if _COLUMN.fullmatch(text):
        return Condition(text)
    raise ValueError(f"{text!r} is no condition; allowed: {ALLOWED}")


def _value(found: re.Match[str]) -> Value:
    if found["text"] is not None:
        return found["text"][1:-1].replace("''", "'")
    if found["word"] is not None:
        return _WORDS[found["word"]]
    number = found["number"]
    return int(number) if re.fullmatch(r"[+-]?\d+", number) else float(number)
