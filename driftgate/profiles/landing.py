"""Months measured and kept: what is kept is used again while its sources are as they were, else it is measured anew."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from sqlalchemy import Engine

from driftgate.database import create_tables
from driftgate.errors import DataError
from driftgate.features.entities import require_unchanged
from driftgate.features.files import read_file, write_file
from driftgate.features.state import MeasuredFrom, MonthState
from driftgate.features.types import FeatureMonth, FeatureRequest, Kind
from driftgate.features.worker import FeatureWorker, read_features
from driftgate.monitors import Monitor
from driftgate.profiles.build import as_numbers, make_grid, measure_features, must_renew
from driftgate.profiles.columns import NumberColumn
from driftgate.profiles.counting import count_tables, sum_profiles
from driftgate.profiles.encoding import FORMAT, profile_from_bytes
from driftgate.profiles.grid import Form, Grid
from driftgate.profiles.profile import Profile
from driftgate.profiles.sample import sample_rows
from driftgate.profiles.store import (
    MonthProfile,
    measured_months,
    newest_grid,
    newest_version,
    profile_lock,
    read_month,
    save_months,
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class LandedMonth:
    """A month that is measured and kept.

    Attributes:
        state: what its sources hold.
        profile: what was counted of it.
        sample: its rows, or those of a sample of a large month; columns that no one compares are left out.
        why: why it was measured now; empty where what is kept still held.
    """

    state: MonthState
    profile: Profile
    sample: pa.Table
    why: str = ""

    def rows(self) -> pa.Table:
        """Return the sample, arrays and timestamps as the numbers they stand for."""
        return as_numbers(self.sample, self.state.declared, self.state.size.as_of)

    def features(self, previous: date | None, out: Path) -> FeatureMonth:
        """Write the sample to an Arrow IPC file, in the form of a month that was read by a join.

        Args:
            previous: the loaded month before; a view needs a row after it. None skips that question.
            out: file to write.
        """
        write_file(out, self.sample)
        state = self.state
        stale = state.stale_views(previous)
        return FeatureMonth(state.size.as_of, out, self.sample.num_rows, state.declared, state.absent, stale)


@dataclass(frozen=True)
class Landing:
    """Where months are measured, and where they are kept.

    Attributes:
        engine: the database of the results.
        worker: the feature process.
        repo: Feast repository.
        folder: for temporary files.
        say: told of each month whether it was measured or is kept.
        known: what the sources of some months hold, where that was found out already.
    """

    engine: Engine
    worker: FeatureWorker
    monitor: Monitor
    repo: Path
    folder: Path
    say: Say
    known: Mapping[date, MonthState] = field(default_factory=dict)

    def land(self, months: Sequence[date], again: str = "") -> dict[date, LandedMonth]:
        """Return the months as they are kept, after measuring those that are missing or no longer hold.

        Args:
            months: loaded ones.
            again: why those that hold are measured as well; empty for the others alone.

        Raises:
            UnknownMonthError: a month has no rows.
            DataError: a month has surplus rows, or changed while it was measured.
            FeastRepositoryError: the feature service or a source cannot be read.
            DatabaseError: a database fails; what was kept before is as it was.
        """
        create_tables(self.engine)
        states = self._states(months)
        kept, why = self._look(states, again)
        if why:
            with profile_lock(self.engine, self.monitor.name):
                # Another process may have measured them while this one waited for the lock.
                measured, why = self._look({month: states[month] for month in why}, again)
                kept |= measured
                for month, reason in why.items():
                    kept[month] = self._measure(states[month], reason)
        for month in months:
            found = kept[month]
            how = f"measured now: {found.why}" if found.why else "its profile is kept and holds"
            self.say(f"{self.monitor.name}: {month}: {found.state.size.entities:,} entities, {how}")
        return {month: kept[month] for month in months}

    def _states(self, months: Sequence[date]) -> dict[date, MonthState]:
        wanted = [month for month in months if month not in self.known]
        asked = self.worker.month_states(self.repo, self.monitor, wanted) if wanted else {}
        states = {month: asked.get(month) or self.known[month] for month in months}
        return {month: replace(state, measured_from=_by_this_release(state)) for month, state in states.items()}

    def _look(self, states: Mapping[date, MonthState], again: str) -> tuple[dict[date, LandedMonth], dict[date, str]]:
        """Return those of the months that are kept and still hold, and why each other one is to be measured."""
        if again:
            return {}, dict.fromkeys(states, again)
        found, why = {}, {}
        for month, state in states.items():
            kept = self._read(month)
            if kept is None:
                why[month] = "nothing was kept of it"
            elif changes := self._differences(kept, state):
                why[month] = f"its sources have changed: {'; '.join(changes)}"
            else:
                assert kept.sample is not None
                found[month] = LandedMonth(state, kept.profile, kept.sample)
        return found, why

    def _differences(self, kept: MonthProfile, state: MonthState) -> list[str]:
        found = kept.measured_from.differences(state.measured_from)
        newest = newest_version(self.engine, self.monitor.name) if kept.grid_version is not None else None
        if kept.grid_version != newest:
            found.append(f"the grid was renewed (version {kept.grid_version}, now {newest})")
        return found

    def _read(self, month: date) -> MonthProfile | None:
        try:
            return read_month(self.engine, self.monitor.name, month, with_sample=True)
        except DataError as error:
            self.say(f"{self.monitor.name}: {month}: {error.received}; it is measured anew")
            return None

    def _measure(self, state: MonthState, why: str) -> LandedMonth:
        as_of = state.size.as_of
        with self._scratch() as folder:
            out = folder / f"landing_{as_of}.arrow"
            read = read_features(self.worker, self.monitor, self.repo, state.size, None, out)
            table = read_file(read.path)
            counted = measure_features(table, read.declared, as_of)
            sample = sample_rows(_comparable(table, read, counted), self.monitor.entity.feast_key)
            if state.size.sampled:
                grid, profile, new = self._count(
                    FeatureRequest(self.repo, self.monitor, state.size, None, out), read, counted
                )
            else:
                grid, profile, new = None, counted, False
            require_unchanged(as_of, state.size.entities, profile.rows)
        version = grid.version if grid else None
        now = datetime.now(UTC)
        month = MonthProfile(self.monitor.name, as_of, state.measured_from, profile, now, sample, version)
        save_months(self.engine, [month], grid if new else None)
        return LandedMonth(state, profile, sample, why)

    def _count(self, request: FeatureRequest, read: FeatureMonth, sample: Profile) -> tuple[Grid, Profile, bool]:
        """Count every row of a large month on the monitor's grid, on a new one where that does not fit.

        Returns:
            The grid, the profile, and whether the grid is new.
        """
        grid = newest_grid(self.engine, self.monitor.name)
        if grid is not None and _fits(grid, sample):
            profile = self._sum(request, read, grid)
            reason = must_renew(grid, grid.schema, profile)
            # A grid is made for the newest month: otherwise two months far from each other would renew it in turn.
            if not reason or self._has_later(read.as_of, grid.version):
                return grid, profile, False
            self.say(f"{self.monitor.name}: the grid is made anew: {reason}")
        grid = make_grid(sample, grid.version + 1 if grid else 1, sampled=True)
        return grid, self._sum(request, read, grid), True

    def _sum(self, request: FeatureRequest, read: FeatureMonth, grid: Grid) -> Profile:
        parts = self.worker.fold_month(
            request, partial(count_tables, declared=read.declared, as_of=read.as_of, grid=grid)
        )
        return sum_profiles(profile_from_bytes(part, grid) for part in parts)

    def _has_later(self, as_of: date, version: int) -> bool:
        """Whether a later month is counted on this version of the grid."""
        months = measured_months(self.engine, self.monitor.name)
        return any(month > as_of and found == version for month, (_, found) in months.items())

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        with TemporaryDirectory(dir=self.folder, prefix="landing-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)


def _fits(grid: Grid, sample: Profile) -> bool:
    """Whether the grid has every column that was counted, in its form."""
    forms = {
        name: Form.NUMBER if isinstance(column, NumberColumn) else Form.CATEGORY
        for name, column in sample.columns.items()
    }
    return forms.items() <= grid.schema.items()


def _by_this_release(state: MonthState) -> MeasuredFrom:
    found = state.measured_from
    return replace(found, versions={**found.versions, "the profile's format": str(FORMAT)})


def _comparable(table: pa.Table, month: FeatureMonth, profile: Profile) -> pa.Table:
    """Return the table without the columns of a type that nothing compares."""
    unsupported = {item.name for item in month.declared if item.kind is Kind.UNSUPPORTED}
    dropped = unsupported | {name for name in profile.unmeasured if name in table.column_names}
    return table.drop_columns([name for name in table.column_names if name in dropped])
