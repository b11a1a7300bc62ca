"""A pair held against the monitor's own past: its earlier pairs, and the profiles of the same months a year before.

The monitor and the backtest ask the same function. They differ in where the past comes from: from what is kept, or
from the months that are replayed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from driftgate.drift.comparison import Side, compare_columns
from driftgate.drift.groups import grouped_rows
from driftgate.drift.ledger import build_ledger, read_table
from driftgate.drift.past import Explained, PastPair, YearAgo, explained_by_past, signals_of_data, years_before
from driftgate.drift.result import DriftResult, TargetDrift
from driftgate.errors import DataError
from driftgate.monitors import Monitor
from driftgate.profiles.profile import Profile


@dataclass(frozen=True)
class PastMonth:
    """An earlier month.

    Attributes:
        profile: what was counted of it.
        rows: reads its rows, as `driftgate.drift.ledger.read_table` gives them; they are read where the monitor has
            groups.
    """

    profile: Profile
    rows: Callable[[], pa.Table]


PastMonths = Callable[[Collection[date]], Mapping[date, PastMonth]]
"""Returns some of the earlier months."""


@dataclass(frozen=True)
class Past:
    """Where the past of a monitor is looked up; nothing is looked up before it is needed.

    Attributes:
        months: returns those that may be asked for.
        measured: returns some of these.
        pairs: returns the earlier pairs, see `driftgate.drift.past.PastPair`.
        warn: takes the reason why the months of a year before cannot be used.
    """

    months: Callable[[], Collection[date]]
    measured: PastMonths
    pairs: Callable[[], Sequence[PastPair]]
    warn: Callable[[str], None]


def explain_signals(
    ref: Side, cur: Side, drift: DriftResult, target: TargetDrift, monitor: Monitor, past: Past
) -> tuple[Explained, ...]:
    """Return which signals of the data the monitor's own past explains.

    Args:
        ref, cur: the pair.
        drift, target: what was found of it.
        monitor: its thresholds, and whether its past counts.
        past: what is known from before the current month.
    """
    thresholds = (monitor.threshold, monitor.target_threshold)
    if not (monitor.own_past and signals_of_data(drift, target, thresholds)):
        return ()
    year_ago = None
    try:
        year_ago = against_year_ago(ref, cur, monitor, past.months(), past.measured)
    except DataError as error:
        past.warn(f"{cur.size.as_of} cannot be held against the same month a year before: {error}")
    return explained_by_past(drift, target, thresholds, past.pairs(), year_ago)


def against_year_ago(
    ref: Side, cur: Side, monitor: Monitor, months: Collection[date], measured: PastMonths
) -> YearAgo | None:
    """Compare both months of a pair with those a year before, each by the rule of the pair itself.

    Args:
        ref, cur: the pair.
        monitor: its thresholds.
        months: those that may be asked for.
        measured: gives what was counted of them.

    Returns:
        None where the month a year before the current one is not among the months.
    """
    found = years_before(ref.size.as_of, cur.size.as_of, months)
    if found is None:
        return None
    of_cur, of_ref = found
    known = measured([month for month in found if month is not None])
    share_ref = _share(of_ref, known[of_ref], ref, monitor) if of_ref is not None else None
    return YearAgo(of_cur, _share(of_cur, known[of_cur], cur, monitor), share_ref)


def _share(month: date, past: PastMonth, side: Side, monitor: Monitor) -> float:
    """The drift share between a month and the same one a year later."""
    pair = (past.profile, side.profile)
    ledger = build_ledger(pair, side.features.declared, monitor, side.features.stale_views)
    groups = grouped_rows(past.rows(), read_table(side.features)) if monitor.entity.group else None
    columns = compare_columns(pair, ledger, monitor, f"{month} {side.size.as_of}", groups)
    return sum(column.drifted for column in columns) / len(columns)
