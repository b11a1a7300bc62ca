"""From the text of a CSV column to exact values: what a text does not say plainly is a fault, never a guess.

Each kind is cast as a whole column first. Only where that fails is every value looked at, to say which are wrong.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from driftgate.snapshots.schema import Kind

ARROW_TYPES: Final[dict[Kind, Any]] = {
    "text": pa.string(),
    "integer": pa.int32(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}

_NOUNS: Final[dict[Kind, str]] = {
    "text": "are not text (a NUL character)",
    "integer": "are not an integer",
    "number": "are not a number",
    "boolean": "are not a boolean",
    "date": "are not a date (YYYY-MM-DD)",
}
_OUT_OF_RANGE = "are outside -2147483648 to 2147483647"

_TRUE = ("True", "true", "1")
_FALSE = ("False", "false", "0")
_INTEGER = r"^[+-]?[0-9]+(\.0*)?$"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with some values of a column.

    Attributes:
        what: reads on after "3 value(s) ".
        rows: the rows, from 0 and ascending.
        example: the first such value as it stands in the file.
    """

    what: str
    rows: list[int]
    example: str


@dataclass(frozen=True)
class CastColumn:
    """A column of `ARROW_TYPES[kind]`, as long as its text was; NULL where the text was NULL or at fault."""

    values: Any
    faults: list[Fault]


def cast_column(kind: Kind, texts: Any) -> CastColumn:
    """Cast a chunked array of strings, in which a blank is NULL already."""
    whole = _WHOLE[kind](texts)
    if whole is not None:
        return CastColumn(whole, [])
    return _one_by_one(kind, texts)


def _whole_text(texts: Any) -> Any:
    # PostgreSQL cannot hold NUL in a text.
    return None if _any(pc.match_substring(texts, "\0")) else texts


def _whole_integer(texts: Any) -> Any:
    # Arrow would read 0x1F as 31.
    if _any(pc.match_substring(texts, "x", ignore_case=True)):
        return None
    try:
        return pc.cast(texts, pa.int32())
    except pa.ArrowInvalid:
        pass
    if not _every(pc.match_substring_regex(texts, _INTEGER)):
        return None
    try:
        # An integer column with blanks is written as 3.0 by many tools. float64 is exact over the whole of int32.
        return pc.cast(pc.cast(texts, pa.float64()), pa.int32())
    except pa.ArrowInvalid:
        return None


def _whole_number(texts: Any) -> Any:
    try:
        values = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        return None
    return values if _every(pc.is_finite(values)) else None


def _whole_boolean(texts: Any) -> Any:
    true = pc.is_in(texts, value_set=pa.array(_TRUE))
    false = pc.is_in(texts, value_set=pa.array(_FALSE))
    known = pc.or_(true, false)
    if not _every(pc.or_(known, pc.is_null(texts))):
        return None
    return pc.if_else(known, true, pa.scalar(None, pa.bool_()))


def _whole_date(texts: Any) -> Any:
    try:
        values = pc.cast(texts, pa.date32())
    except pa.ArrowInvalid:
        return None
    # Arrow has a year 0; PostgreSQL and Python do not.
    first = pa.scalar(date.min)
    return values if _every(pc.greater_equal(values, first)) else None


_WHOLE: Final[dict[Kind, Callable[[Any], Any]]] = {
    "text": _whole_text,
    "integer": _whole_integer,
    "number": _whole_number,
    "boolean": _whole_boolean,
    "date": _whole_date,
}


def _any(flags: Any) -> bool:
    return bool(pc.any(flags).as_py())


def _every(flags: Any) -> bool:
    """Whether every flag that is not NULL is set."""
    return pc.all(flags).as_py() is not False


def _one_by_one(kind: Kind, texts: Any) -> CastColumn:
    read = _READERS[kind]
    values: list[Any] = []
    wrong: dict[str, list[int]] = {}
    source: list[str | None] = texts.to_pylist()
    for row, text in enumerate(source):
        value = None
        if text is not None:
            try:
                value = read(text)
            except OverflowError:
                wrong.setdefault(_OUT_OF_RANGE, []).append(row)
            except ValueError:
                wrong.setdefault(_NOUNS[kind], []).append(row)
        values.append(value)
    faults = [Fault(what, rows, str(source[rows[0]])) for what, rows in wrong.items()]
    return CastColumn(pa.chunked_array([pa.array(values, ARROW_TYPES[kind])]), faults)


def _read_text(text: str) -> str:
    if "\0" in text:
        raise ValueError(text)
    return text


def _read_integer(text: str) -> int:
    if not re.fullmatch(_INTEGER, text):
        raise ValueError(text)
    digits = text.partition(".")[0]
    # Python refuses to read thousands of digits, with ValueError.
    if len(digits.lstrip("+-").lstrip("0")) > 10 or not -(2**31) <= int(digits) < 2**31:
        raise OverflowError(text)
    return int(digits)


def _read_number(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _read_boolean(text: str) -> bool:
    if text not in _TRUE and text not in _FALSE:
        raise ValueError(text)
    return text in _TRUE


def _read_date(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


_READERS: Final[dict[Kind, Callable[[str], Any]]] = {
    "text": _read_text,
    "integer": _read_integer,
    "number": _read_number,
    "boolean": _read_boolean,
    "date": _read_date,
}
