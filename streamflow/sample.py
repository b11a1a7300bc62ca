"""Made-up months of data: the same six files a real month has, from a seed.

The second month barely drifts, the third clearly does (features, label, and what the one says about the other), and
later ones stay near the third. `sample_model` says who the subscribers are; this module names and writes them.
"""

import math
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from driftgate.errors import OutputError, UsageError
from driftgate.snapshots.dates import month_end
from streamflow import sample_model as model
from streamflow.source_tables import KEY, SOURCE_TABLES

MAX_USERS = 10_000_000
MAX_MONTHS = 999
_LETTERS = 26**5
_ID_COUNT = 10**4 * _LETTERS  # 0000-AAAAA to 9999-ZZZZZ


@dataclass(frozen=True)
class SampleMonth:
    """A month that was written: its folder with six CSV files, and the last day it describes."""

    folder: Path
    as_of: date


def write_sample_months(
    out: Path,
    months: int = 3,
    users: int = 7043,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[SampleMonth]:
    """Write `month_000`, `month_001`, ... under `out`; the same arguments give the same bytes.

    A month is written whole or not at all. A folder of the same name is replaced; others in `out` are left alone.

    Args:
        out: folder of the months; made where missing.
        months: months to write, 1 to 999; they end on 2024-01-31, 2024-02-29, ...
        users: subscribers in each month, 1 to 10,000,000.
        seed: 0 or more.
        progress: called with a line of text after each month.

    Raises:
        UsageError: a number is out of its range; nothing was written.
        OutputError: a month cannot be written; earlier months stand.
    """
    _require("months", months, 1, MAX_MONTHS)
    _require("users", users, 1, MAX_USERS)
    _require("seed", seed, 0, None)
    written: list[SampleMonth] = []
    for month, as_of, people, columns in _months(months, users, seed):
        folder = out / f"month_{month:03d}"
        with _writing(out, folder) as part:
            _write_tables(part, user_ids(people["number"], seed), columns)
        written.append(SampleMonth(folder, as_of))
        if progress is not None:
            progress(f"{folder.name}: {users:,} users as of {as_of}")
    return written


def user_ids(numbers: model.Array, seed: int) -> Any:
    """Identifiers such as 0042-KXQZT, an Arrow string array of shape (users,).

    Multiplying by a number that shares no factor with the count of identifiers, modulo that count, sends distinct
    numbers to distinct identifiers; below 2**27 subscribers the product stays within 63 bits.
    """
    import pyarrow as pa

    offset, factor = (model.Streams(seed, 0).uniform("user_id", 2) * (_ID_COUNT, 2**36)).astype(np.int64).tolist()
    while math.gcd(factor, _ID_COUNT) != 1:
        factor += 1
    codes = (numbers * factor + offset) % _ID_COUNT
    text = np.empty((len(codes), 10), dtype=np.uint8)
    digits, letters = codes // _LETTERS, codes % _LETTERS
    for place in range(3, -1, -1):
        digits, text[:, place] = digits // 10, digits % 10 + ord("0")
    text[:, 4] = ord("-")
    for place in range(9, 4, -1):
        letters, text[:, place] = letters // 26, letters % 26 + ord("A")
    ends = np.arange(len(codes) + 1, dtype=np.int32) * 10
    return pa.StringArray.from_buffers(len(codes), pa.py_buffer(ends), pa.py_buffer(text))


def _months(months: int, users: int, seed: int) -> Iterator[tuple[int, date, model.Columns, model.Columns]]:
    """Yield index, month end, population and source columns of each month, one month in memory at a time."""
    people = model.first_subscribers(users, seed, month_end(0))
    columns = model.month_columns(people, 0, seed)
    yield 0, month_end(0), people, columns
    for month in range(1, months):
        people = model.next_month(people, columns["churn_label"], month, seed, month_end(month))
        columns = model.month_columns(people, month, seed)
        yield month, month_end(month), people, columns


def _require(name: str, value: int, least: int, most: int | None) -> None:
    if value < least or (most is not None and value > most):
        allowed = f"{least:,} or more" if most is None else f"{least:,} to {most:,}"
        raise UsageError(f"{name} is {value:,}", allowed=allowed, remedy=f"give another number of {name}")


@contextmanager
def _writing(out: Path, folder: Path) -> Iterator[Path]:
    """Yield a hidden sibling of `folder` that takes its place when the block ends well, and is gone when not."""
    token = uuid.uuid4().hex[:12]
    part, old = out / f".{folder.name}.{token}.part", out / f".{folder.name}.{token}.old"
    try:
        part.mkdir(parents=True)
        yield part
        if folder.is_dir() and not folder.is_symlink():
            folder.rename(old)
        part.rename(folder)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror or error}",
            allowed="a folder this user may write to, on a disk with room",
            remedy="choose another folder with --out, or mend this one; writing is safe to repeat",
        ) from error
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _write_tables(folder: Path, ids: Any, columns: model.Columns) -> None:
    """Write the six files without the optional columns: LF line ends, no quotes, a blank where there is no value."""
    import pyarrow as pa
    from pyarrow import csv

    options = csv.WriteOptions(include_header=False, quoting_style="none")
    for table in SOURCE_TABLES.tables:
        header = [column.name for column in table.columns if not column.optional]
        arrays = [ids if name == KEY else _as_arrow(name, columns[name]) for name in header]
        with (folder / table.file_name).open("wb") as file:
            file.write((",".join(header) + "\n").encode())
            csv.write_csv(pa.Table.from_arrays(arrays, names=header), file, options)


def _as_arrow(name: str, values: model.Array) -> Any:
    """The column as Arrow writes it to CSV, of shape (users,): codes and booleans become text."""
    import pyarrow as pa

    if name not in model.CATEGORIES and values.dtype != np.bool_:
        return pa.array(values)
    codes = values.astype(np.int8)
    texts = pa.array(model.CATEGORIES.get(name, ("False", "True")))
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), texts).cast(pa.string())
