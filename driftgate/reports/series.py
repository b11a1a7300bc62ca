"""Runs of one monitor, put in order by what they are held against: one line for each kind of reference. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from driftgate.reports.words import month_name
from driftgate.store.record import RunRecord


@dataclass(frozen=True)
class Series:
    """Runs that can stand on one line: one for each current month, oldest first.

    Attributes:
        name: what they are held against, such as "the month before".
    """

    name: str
    records: tuple[RunRecord, ...]


def series_of(records: Sequence[RunRecord]) -> list[Series]:
    """The series of one monitor's records, the one that reaches furthest first; each record is in at least one.

    Held against the month before, against one fixed month (two runs or more), or so many months before. Months are
    those that the records name. A record that fits no series has one of its own.
    """
    found = [_previous(records), *_fixed(records), *_rolling(records)]
    kept = [series for series in found if series.records]
    placed = {id(record) for series in kept for record in series.records}
    alone = [Series(month_name(item.inputs.as_of_ref), (item,)) for item in records if id(item) not in placed]
    # Stable: of series that end alike the month before comes first.
    return sorted([*kept, *alone], key=lambda series: series.records[-1].inputs.as_of_cur, reverse=True)


def chain(record: RunRecord, records: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
    """The records up to `record` on the longest series that holds its pair, oldest first, `record` itself last."""
    others = [item for item in records if item.monitor == record.monitor and item.pair != record.pair]
    earlier = [item for item in others if item.inputs.as_of_cur < record.inputs.as_of_cur]
    holding = [series for series in series_of([*earlier, record]) if record in series.records]
    return max(holding, key=lambda series: len(series.records)).records


def _months(records: Sequence[RunRecord]) -> list[date]:
    return sorted({month for record in records for month in record.pair})


def _steps_back(records: Sequence[RunRecord]) -> dict[int, list[RunRecord]]:
    months = _months(records)
    found: dict[int, list[RunRecord]] = {}
    for record in records:
        as_of_ref, as_of_cur = record.pair
        found.setdefault(months.index(as_of_cur) - months.index(as_of_ref), []).append(record)
    return found


def _previous(records: Sequence[RunRecord]) -> Series:
    return Series("the month before", _by_month(_steps_back(records).get(1, [])))


def _fixed(records: Sequence[RunRecord]) -> list[Series]:
    by_reference: dict[date, list[RunRecord]] = {}
    for record in records:
        by_reference.setdefault(record.inputs.as_of_ref, []).append(record)
    return [
        Series(month_name(month), _by_month(items))
        for month, items in sorted(by_reference.items(), reverse=True)
        if len(_by_month(items)) > 1
    ]


def _rolling(records: Sequence[RunRecord]) -> list[Series]:
    fixed = {id(record) for series in _fixed(records) for record in series.records}
    found = []
    for back, items in sorted(_steps_back(records).items()):
        # A line of its own where it holds more than what the fixed references hold already.
        if back > 1 and len(_by_month(items)) > 1 and any(id(item) not in fixed for item in items):
            found.append(Series(f"{back} months before", _by_month(items)))
    return found


def _by_month(records: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
    """One record for each current month, oldest first; of several the last decided."""
    by_month = {item.inputs.as_of_cur: item for item in sorted(records, key=lambda item: item.decided_at)}
    return tuple(by_month[month] for month in sorted(by_month))
