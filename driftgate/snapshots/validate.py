"""Whether a month may be written: Pandera schemas made from the table declarations, over all files at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftgate.errors import InvalidMonthError
from driftgate.snapshots.read import SourceFile
from driftgate.snapshots.schema import KEY, USERS, Column

_NEGATIVE = "are negative"
_UNKNOWN = f"are not in {USERS.file_name}"
_PHRASES = {
    "SERIES_CONTAINS_NULLS": "are blank",
    "SERIES_CONTAINS_DUPLICATES": "repeat an earlier row",
}


def validate_month(folder: Path, files: Mapping[str, SourceFile]) -> dict[str, Any]:
    """The tables of a month, once nothing at all is wrong with them.

    Args:
        folder: named in the error.
        files: by source name, as `read_month` gives them.

    Returns:
        A pyarrow Table of every column of the schema, by source name.

    Raises:
        InvalidMonthError: every failure of every file.
    """
    parent = files[USERS.name].data
    users = parent.column(KEY) if parent is not None and KEY in parent.column_names else None
    for name, file in files.items():
        if file.data is not None and file.data.num_columns:
            _check(file, None if name == USERS.name else users)
    failures = [failure for file in files.values() for failure in file.failures]
    if failures:
        raise InvalidMonthError(str(folder), failures)
    return {name: file.data for name, file in files.items()}


def _check(file: SourceFile, users: Any) -> None:
    """Add what Pandera finds to the failures of the file; a missing column is one already."""
    import pandas as pd
    from pandera.errors import SchemaErrors

    columns = [column for column in file.source.columns if column.name in file.data.column_names]
    frame = file.data.to_pandas(types_mapper=pd.ArrowDtype)
    try:
        _schema(columns, users).validate(frame, lazy=True, inplace=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            _add_failure(file, error)


def _schema(columns: list[Column], users: Any) -> Any:
    import pandera.pandas as pandera

    return pandera.DataFrameSchema(
        {column.name: _column(column, users) for column in columns}, strict=True, ordered=True, coerce=False
    )


def _column(column: Column, users: Any) -> Any:
    """The Pandera column. Its checks see whole columns; NULLs are left to `nullable`.

    A check keeps one failure case: Pandera spends 5 s and 200 MB on a million. The count is in its output.
    """
    import pandas as pd
    import pandera.pandas as pandera

    from driftgate.snapshots.cast import ARROW_TYPES

    checks = []
    if column.non_negative:
        checks.append(pandera.Check.ge(0, error=_NEGATIVE, n_failure_cases=1))
    if column.name == KEY and users is not None:
        checks.append(pandera.Check(lambda ids: _is_in(ids, users), error=_UNKNOWN, n_failure_cases=1))
    return pandera.Column(
        pd.ArrowDtype(ARROW_TYPES[column.kind]),
        checks,
        nullable=column.nullable,
        unique=column.name == KEY,
        report_duplicates="exclude_first",
    )


def _is_in(ids: Any, users: Any) -> Any:
    """A boolean Series: which of the ids are among the users. Both stay in Arrow's memory."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    own = pa.chunked_array(ids.array.__arrow_array__())
    # Files of one export mostly list the same users in the same order, and comparing is far cheaper than hashing.
    found = np.ones(len(own), dtype=bool) if own.equals(users) else pc.is_in(own, value_set=users).to_numpy()
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
