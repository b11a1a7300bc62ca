"""Two months held against the same months a year before, by their profiles."""

from collections.abc import Callable, Collection, Mapping
from datetime import date

from driftgate.drift.comparison import Side, compare_columns
from driftgate.drift.ledger import build_ledger
from driftgate.drift.past import YearAgo, years_before
from driftgate.monitors import Monitor
from driftgate.profiles.profile import Profile

Profiles = Callable[[Collection[date]], Mapping[date, Profile]]
"""Returns the profiles of months."""


def against_year_ago(
    ref: Side, cur: Side, monitor: Monitor, months: Collection[date], profiles: Profiles
) -> YearAgo | None:
    """Compare both months of a pair with those a year before, each by the rule of the pair itself.

    Args:
        ref, cur: the pair.
        monitor: its thresholds.
        months: those that may be asked for.
        profiles: gives what was counted of them.

    Returns:
        None where the month a year before the current one is not among the months.
    """
    found = years_before(ref.size.as_of, cur.size.as_of, months)
    if found is None:
        return None
    of_cur, of_ref = found
    known = profiles([month for month in found if month is not None])
    share_ref = _share(of_ref, known[of_ref], ref, monitor) if of_ref is not None else None
    return YearAgo(of_cur, _share(of_cur, known[of_cur], cur, monitor), share_ref)


def _share(month: date, profile: Profile, side: Side, monitor: Monitor) -> float:
    """The drift share between a month and the same one a year later."""
    pair = (profile, side.profile)
    ledger = build_ledger(pair, side.features.declared, monitor, side.features.stale_views)
    columns = compare_columns(pair, ledger, monitor, f"{month} {side.size.as_of}")
    return sum(column.drifted for column in columns) / len(columns)
