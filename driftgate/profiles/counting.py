"""A large month is counted where its rows are, part by part, and the counts of the parts add up to the month."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa

from driftgate.errors import DataError
from driftgate.features.types import DeclaredFeature
from driftgate.profiles.build import measure_features
from driftgate.profiles.encoding import profile_to_bytes
from driftgate.profiles.grid import Grid
from driftgate.profiles.profile import Profile


def count_tables(tables: Iterable[pa.Table], declared: Sequence[DeclaredFeature], as_of: date, grid: Grid) -> bytes:
    """Return the profile of the rows of all tables together, as bytes.

    It runs in the process that has the rows: the feature process, or an executor of Spark.

    Args:
        tables: rows of one month, in any order and division.
        declared: the features to count.
        as_of: the month.
        grid: what they are counted on.

    Raises:
        DataError: there is no row.
    """
    return profile_to_bytes(sum_profiles(measure_features(table, declared, as_of, grid) for table in tables))


def sum_profiles(parts: Iterable[Profile]) -> Profile:
    """Return the profile of all parts together.

    A column without a value in a part has no type there, and in another part may turn out to have a wrong one: what
    is unmeasured in any part is unmeasured in the whole.

    Raises:
        DataError: there is no part.
        ValueError: they were counted on different grids.
    """
    whole: Profile | None = None
    for part in parts:
        whole = part if whole is None else _without(whole, part) + _without(part, whole)
    if whole is None:
        raise DataError(
            "the point-in-time join gave no row", remedy="run again once the load that is under way has ended"
        )
    return whole


def _without(profile: Profile, other: Profile) -> Profile:
    unmeasured = {**profile.unmeasured, **other.unmeasured}
    columns = {name: column for name, column in profile.columns.items() if name not in unmeasured}
    return replace(profile, columns=columns, unmeasured=unmeasured)
