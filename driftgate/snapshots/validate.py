"""Whether a month may be written: Pandera schemas made from the table declarations, over all files at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftgate.errors import InvalidMonthError
from driftgate.snapshots.read import SourceFile
from driftgate.snapshots.schema import Column, SourceTables

_NEGATIVE = "are negative"
_PHRASES = {
    "SERIES_CONTAINS_NULLS": "are blank",
    "SERIES_CONTAINS_DUPLICATES": "repeat an earlier row",
}


@dataclass(frozen=True)
class Entities:
    """Who is in a month.

    Attributes:
        keys: a pyarrow array of the parent table's keys.
        absent: what is said of keys that are not among them.
    """

    keys: Any
    absent: str


def validate_month(sources: SourceTables, folder: Path, files: Mapping[str, SourceFile]) -> dict[str, Any]:
    """The tables of a month, once nothing at all is wrong with them.

    Args:
        sources: what the month should hold.
        folder: named in the error.
        files: by source name, as `read_month` gives them.

    Returns:
        A pyarrow Table of every column of the schema, by source name.

    Raises:
        InvalidMonthError: every failure of every file.
    """
    parent = sources.parent
    listed = files[parent.name].data
    entities = None
    if listed is not None and parent.key in listed.column_names:
        entities = Entities(listed.column(parent.key), f"are not in {parent.file_name}")
    for name, file in files.items():
        if file.data is not None and file.data.num_columns:
            _check(file, None if name == parent.name else entities)
    failures = [failure for file in files.values() for failure in file.failures]
    if failures:
        raise InvalidMonthError(str(folder), failures)
    return {name: file.data for name, file in files.items()}


def _check(file: SourceFile, entities: Entities | None) -> None:
    """Add what Pandera finds to the failures of the file; a missing column is one already."""
    import pandas as pd
    from pandera.errors import SchemaErrors

    columns = [column for column in file.source.columns if column.name in file.data.column_names]
    frame = file.data.to_pandas(types_mapper=pd.ArrowDtype)
    try:
        _schema(columns, file.source.key, entities).validate(frame, lazy=True, inplace=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            _add_failure(file, error)


def _schema(columns: list[Column], key: str, entities: Entities | None) -> Any:
    import pandera.pandas as pandera

    return pandera.DataFrameSchema(
        {column.name: _column(column, column.name == key, entities) for column in columns},
        strict=True,
        ordered=True,
        coerce=False,
    )


def _column(column: Column, is_key: bool, entities: Entities | None) -> Any:
    """The Pandera column. Its checks see whole columns; NULLs are left to `nullable`.

    A check keeps one failure case: Pandera spends 5 s and 200 MB on a million. The count is in its output.
    """
    import pandas as pd
    import pandera.pandas as pandera

    from driftgate.snapshots.cast import ARROW_TYPES

    checks = []
    if column.non_negative:
        checks.append(pandera.Check.ge(0, error=_NEGATIVE, n_failure_cases=1))
    if is_key and entities is not None:
        keys = entities.keys
        checks.append(pandera.Check(lambda ids: _is_in(ids, keys), error=entities.absent, n_failure_cases=1))
    return pandera.Column(
        pd.ArrowDtype(ARROW_TYPES[column.kind]),
        checks,
        nullable=column.nullable,
        unique=is_key,
        report_duplicates="exclude_first",
    )


def _is_in(ids: Any, entities: Any) -> Any:
    """A boolean Series: which of the ids are among the entities. Both stay in Arrow's memory."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    own = pa.chunked_array(ids.array.__arrow_array__())
    # Files of one export mostly list the same entities in the same order, and comparing is far cheaper than hashing.
    found = np.ones(len(own), dtype=bool) if own.equals(entities) else pc.is_in(own, value_set=entities).to_numpy()
    return pd.Series(found, index=ids.index)


def _add_failure(file: SourceFile, error: Any) -> None:
    column = error.schema.name
    reason = error.reason_code.name
    rows = _failing_rows(error)
    if rows is None:
        file.fail(f"column {column}: {str(error)[:200]}")
        return
    if reason == "SERIES_CONTAINS_NULLS" and column in file.mistyped:
        rows = rows[~rows.isin(file.mistyped[column])]
    if not len(rows):
        return
    what = _PHRASES.get(reason) or getattr(error.check, "error", None) or f"fail the check {error.check}"
    first = int(rows.min())
    file.fail_values(column, what, len(rows), first, file.data.column(column)[first].as_py())


def _failing_rows(error: Any) -> Any:
    """A Series of the row numbers, from 0; None where the failure is not one of single values."""
    import pandas as pd

    passed = error.check_output
    if isinstance(passed, pd.Series):
        return passed.index[~passed.astype(bool)].to_series()
    cases = error.failure_cases
    return cases["index"] if isinstance(cases, pd.DataFrame) else None
