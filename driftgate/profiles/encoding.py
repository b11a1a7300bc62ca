"""A profile as bytes: a line of JSON, then the whole numbers and values, little endian."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from driftgate.errors import DataError, reading
from driftgate.profiles.columns import CategoryColumn, Column, NumberColumn
from driftgate.profiles.grid import CategoryGrid, Form, Grid, NumberGrid
from driftgate.profiles.profile import Profile

FORMAT = 1
_MARK = b"driftgate profile\n"
_AGAIN = "measure the month again: `driftgate profile AS_OF --again`"


def profile_to_bytes(profile: Profile) -> bytes:
    """The profile as bytes. The same month gives the same bytes, however its rows were ordered, divided or joined."""
    described, arrays = [], []
    for name in sorted(profile.columns):
        facts, parts = _described(profile.columns[name])
        described.append({"name": name, **facts})
        arrays += parts
    head = {
        "format": FORMAT,
        "rows": profile.rows,
        "grid": profile.grid,
        "columns": described,
        "unmeasured": dict(profile.unmeasured),
    }
    line = json.dumps(head, sort_keys=True, separators=(",", ":")) + "\n"
    return b"".join([_MARK, line.encode(), *(part.astype(part.dtype.newbyteorder("<")).tobytes() for part in arrays)])


def profile_from_bytes(data: bytes, grid: Grid | None = None) -> Profile:
    """Read what `profile_to_bytes` wrote.

    Args:
        data: the bytes.
        grid: the grid that the profile was counted on, if it was.

    Raises:
        DataError: these are no bytes of a profile, or the grid is another one.
    """
    what, form = f"a stored profile of {len(data):,} bytes", "the bytes that this release of Driftgate writes"
    with reading(what, DataError, allowed=form, remedy=_AGAIN):
        return _read(data, grid)


def _read(data: bytes, grid: Grid | None) -> Profile:
    line, _, body = data.removeprefix(_MARK).partition(b"\n")
    head = json.loads(line) if data.startswith(_MARK) else {}
    if head.get("format") != FORMAT:
        raise DataError(f"a stored profile has the format {head.get('format')!r}", allowed=str(FORMAT), remedy=_AGAIN)
    if head["grid"] != (grid.digest if grid and head["grid"] else ""):
        raise DataError("a stored profile was counted on another grid than the one at hand", remedy=_AGAIN)
    columns, place = {}, 0
    for facts in head["columns"]:
        numbers = grid.columns[facts["name"]] if grid and head["grid"] else None
        columns[facts["name"]], place = _read_column(facts, body, place, numbers)
    return Profile(head["rows"], columns, head["unmeasured"], head["grid"])


def _described(column: Column) -> tuple[dict[str, Any], list[Any]]:
    if isinstance(column, CategoryColumn):
        facts = {"form": str(Form.CATEGORY), "names": column.names, "other": column.other, "nulls": column.nulls}
        return facts, [column.counts]
    facts = {
        "form": str(Form.NUMBER),
        "size": len(column.counts),
        "nulls": column.nulls,
        "nans": column.nans,
        "above": column.above,
        "below": column.below,
        "least": column.least.hex(),
        "most": column.most.hex(),
    }
    if column.grid is None:
        return facts, [column.values, column.counts]
    return facts, [column.cells, column.counts, column.sums, column.squares]


def _read_column(
    facts: Mapping[str, Any], body: bytes, place: int, grid: NumberGrid | CategoryGrid | None
) -> tuple[Column, int]:
    category = facts["form"] == Form.CATEGORY
    size = len(facts["names"]) if category else facts["size"]
    kinds = ["<i8"] if category else ["<f8", "<i8"] if grid is None else ["<i8"] * 4
    parts: list[Any] = []
    for kind in kinds:
        native = np.float64 if kind == "<f8" else np.int64
        parts.append(np.frombuffer(body, dtype=kind, count=size, offset=place).astype(native))
        place += 8 * size
    if category:
        return CategoryColumn(tuple(facts["names"]), parts[0], facts["other"], facts["nulls"]), place
    rest: dict[str, Any] = {name: facts[name] for name in ("nulls", "nans", "above", "below")}
    rest |= {name: float.fromhex(facts[name]) for name in ("least", "most")}
    if grid is None:
        return NumberColumn(parts[1], values=parts[0], **rest), place
    assert isinstance(grid, NumberGrid)
    cells, counts, sums, squares = parts
    return NumberColumn(counts, grid=grid, cells=cells, sums=sums, squares=squares, **rest), place
