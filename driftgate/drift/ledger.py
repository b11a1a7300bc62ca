"""The column ledger: every declared feature is compared, or has a state that says why not."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from driftgate.drift.methods import choose_method
from driftgate.drift.result import ColumnResult, ColumnState
from driftgate.errors import ConfigurationError, IncomparableColumnsError, NoVerdictError, bounded
from driftgate.features.files import read_file
from driftgate.features.types import DeclaredFeature, FeatureMonth, Kind
from driftgate.monitors import Monitor
from driftgate.profiles.build import as_numbers
from driftgate.profiles.cells import count_distinct
from driftgate.profiles.columns import Column
from driftgate.profiles.profile import Profile

# A text with nearly as many values as rows identifies its row, and a comparison of frequencies has no meaning.
_IDENTIFIER_SHARE = 0.5
_IDENTIFIER_VALUES = 50
_AS_NUMBERS = {
    Kind.ARRAY: "compared by the Euclidean norm of each array",
    Kind.TIMESTAMP: "compared by its age at the month",
}


@dataclass(frozen=True)
class Ledger:
    """Every declared feature's state, with the test chosen for those that can be compared.

    Attributes:
        columns: one entry for each declared feature; scores are not filled in yet.
        kinds: kind of each column, by name.
        excluded: (name, reason) of declared fields that are no features: identifiers, timestamps, the label.
    """

    columns: tuple[ColumnResult, ...]
    kinds: dict[str, Kind]
    excluded: tuple[tuple[str, str], ...]

    @property
    def comparable(self) -> tuple[ColumnResult, ...]:
        """The columns that can be compared."""
        return tuple(column for column in self.columns if column.state is ColumnState.COMPARED)

    @property
    def incomparable(self) -> tuple[ColumnResult, ...]:
        """The columns that cannot be compared."""
        return tuple(column for column in self.columns if column.state is not ColumnState.COMPARED)


def read_table(month: FeatureMonth) -> pa.Table:
    """Return the month as an Arrow table, memory-mapped; arrays and timestamps as the numbers they stand for.

    An array is compared by its Euclidean norm, a timestamp by its age in seconds at the month, a date by days.
    """
    return as_numbers(read_file(month.path), month.declared, month.as_of)


def build_ledger(
    profiles: tuple[Profile, Profile],
    declared: Sequence[DeclaredFeature],
    monitor: Monitor,
    stale: Collection[str] = (),
) -> Ledger:
    """Give every declared feature of two months a state.

    Args:
        profiles: of the reference and of the current month.
        declared: the features, and fields that are none.
        monitor: rules for single columns, and how many rows are enough.
        stale: views without a row of the current month.

    Raises:
        NoVerdictError: the feature service declares no feature.
        ConfigurationError: monitors.toml has a rule for a feature that is not declared, or one that does not fit.
    """
    excluded = tuple(excluded_fields(declared, monitor))
    names = {name for name, _ in excluded}
    features = [item for item in declared if item.name not in names]
    _require_declared(monitor, "rules for columns", monitor.columns, [item.name for item in features])
    divisible = [item.name for item in features if item.kind in (Kind.NUMERIC, Kind.CATEGORICAL)]
    _require_declared(monitor, "segments of numbers or categories", monitor.segments, divisible)
    if not features:
        raise NoVerdictError(f"the feature service {monitor.feature_service!r} declares no feature to compare")
    columns = tuple(_entry(item, profiles, monitor, item.view in stale) for item in features)
    return Ledger(columns, {item.name: _compared_as(item) for item in features}, excluded)


def _require_declared(monitor: Monitor, what: str, wanted: Collection[str], known: Collection[str]) -> None:
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise ConfigurationError(
            f"monitor {monitor.name!r} has {what} that {monitor.feature_service!r} does not declare: "
            + bounded(unknown),
            allowed=bounded(known),
        )


def require_comparable(ledger: Ledger, monitor: Monitor) -> None:
    """Raise an error where a feature cannot be compared, unless the monitor counts that as drift.

    Raises:
        IncomparableColumnsError: with the ledger in the message.
    """
    if not ledger.incomparable or (monitor.on_incomparable == "count_as_drift" and ledger.comparable):
        return
    lines = [f"{column.name}: {column.state} ({column.detail})" for column in ledger.incomparable]
    raise IncomparableColumnsError(
        f"{len(lines)} of {len(ledger.columns)} declared features cannot be compared\n  - " + "\n  - ".join(lines[:30]),
        allowed="every declared feature comparable, or on_incomparable = 'count_as_drift' and at least one of them",
        remedy="reload the month whose column is wrong, or correct the Feast repository; "
        f"compared: {bounded(column.name for column in ledger.comparable)}",
        states={column.name: str(column.state) for column in ledger.columns},
    )


def excluded_fields(declared: Sequence[DeclaredFeature], monitor: Monitor) -> list[tuple[str, str]]:
    """Return the declared fields that are no features, with the reason: identifiers, timestamps, the label."""
    identifiers = {monitor.entity.key, monitor.entity.feast_key}
    times = {monitor.entity.timestamp}
    label = {monitor.label.column} if monitor.label else set()
    reasons = []
    for item in declared:
        plain = item.name.removeprefix(f"{item.view}__")
        if plain in identifiers:
            reasons.append((item.name, "identifier"))
        elif plain in times:
            reasons.append((item.name, "timestamp"))
        elif plain in label:
            reasons.append((item.name, "label"))
    return reasons


def _entry(item: DeclaredFeature, profiles: tuple[Profile, Profile], monitor: Monitor, stale: bool) -> ColumnResult:
    blank = ColumnResult(item.name, item.view, item.dtype, ColumnState.COMPARED, detail=_AS_NUMBERS.get(item.kind, ""))
    if item.kind is Kind.UNSUPPORTED:
        return _refuse(blank, ColumnState.UNSUPPORTED, f"Feast type {item.dtype} is neither number nor category")
    for profile, when in zip(profiles, ("reference", "current"), strict=True):
        if item.name not in profile.columns and not profile.unmeasured.get(item.name):
            return _refuse(blank, ColumnState.MISSING, f"the source of {item.view} has no such column ({when} month)")
    for profile in profiles:
        if found := profile.unmeasured.get(item.name):
            return _refuse(blank, ColumnState.RETYPED, f"declared {item.dtype}, the source gives {found}")
    ref, cur = (profile.columns[item.name] for profile in profiles)
    entry = replace(
        blank,
        values_ref=ref.count,
        values_cur=cur.count,
        missing_ref=ref.missing_share,
        missing_cur=cur.missing_share,
    )
    return _with_test(entry, item, (ref, cur), monitor, stale)


def _with_test(
    entry: ColumnResult, item: DeclaredFeature, pair: tuple[Column, Column], monitor: Monitor, stale: bool
) -> ColumnResult:
    for values, when in ((entry.values_ref, "reference"), (entry.values_cur, "current")):
        if values == 0:
            return _refuse(entry, ColumnState.ALL_NULL, f"no value at all in the {when} month")
    if stale:
        return _refuse(entry, ColumnState.STALE, f"{item.view} has no row of this month, only earlier ones")
    fewest = min(entry.values_ref, entry.values_cur)
    if fewest < monitor.min_rows:
        return _refuse(entry, ColumnState.NOT_ENOUGH_ROWS, f"{fewest} values, {monitor.min_rows} needed")
    distinct = count_distinct(*pair)
    if item.kind is Kind.CATEGORICAL and distinct > max(_IDENTIFIER_VALUES, _IDENTIFIER_SHARE * fewest):
        return _refuse(entry, ColumnState.UNSUPPORTED, f"{distinct} distinct values: an identifier, not a category")
    method, threshold = choose_method(item.name, _compared_as(item), distinct, monitor.columns.get(item.name))
    return replace(entry, method=method, threshold=threshold)


def _compared_as(item: DeclaredFeature) -> Kind:
    return Kind.NUMERIC if item.kind in _AS_NUMBERS else item.kind


def _refuse(entry: ColumnResult, state: ColumnState, detail: str) -> ColumnResult:
    return replace(entry, state=state, detail=detail)
