"""Months are measured once, and again when their sources change; it is said which of the two happened."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sqlalchemy import Engine, text

from driftgate.database import ConnectionParameters
from driftgate.features.entities import key_digest
from driftgate.features.files import read_file
from driftgate.features.types import FeatureRequest
from driftgate.features.worker import FeatureWorker, read_features
from driftgate.monitors import Monitor, read_monitor
from driftgate.profiles.build import make_grid, measure_features
from driftgate.profiles.counting import count_tables
from driftgate.profiles.encoding import profile_from_bytes, profile_to_bytes
from driftgate.profiles.landing import Landing
from driftgate.profiles.sample import sample_rows
from driftgate.profiles.store import month_profiles, newest_grid
from tests.conftest import FEATURE_REPO, ROOT

JAN, FEB = date(2024, 1, 31), date(2024, 2, 29)
MONITOR = read_monitor(ROOT / "flows" / "monitors.toml", "churn")


@dataclass
class Place:
    """A database with three months that nobody measured, and what was said since."""

    engine: Engine
    worker: FeatureWorker
    folder: Path
    said: list[str] = field(default_factory=list)

    def landing(self, monitor: Monitor = MONITOR, worker: FeatureWorker | None = None) -> Landing:
        return Landing(self.engine, worker or self.worker, monitor, FEATURE_REPO, self.folder, self.said.append)

    def messages(self) -> list[str]:
        """What was said since the last time."""
        said, self.said[:] = list(self.said), []
        return said


@pytest.fixture
def place(loaded: ConnectionParameters, loaded_engine: Engine, tmp_path: Path) -> Iterator[Place]:
    with FeatureWorker(loaded) as worker:
        yield Place(loaded_engine, worker, tmp_path)


def test_a_month_is_measured_once_and_again_when_its_sources_change(place: Place) -> None:
    landing = place.landing()
    first = landing.land([JAN, FEB])
    assert place.messages() == [
        f"churn: {day}: 2,000 entities, measured now: nothing was kept of it" for day in (JAN, FEB)
    ]
    second = landing.land([FEB, JAN])
    assert list(second) == [FEB, JAN]
    assert place.messages() == [f"churn: {day}: 2,000 entities, its profile is kept and holds" for day in (FEB, JAN)]
    for day in (JAN, FEB):
        assert profile_to_bytes(second[day].profile) == profile_to_bytes(first[day].profile)
        assert second[day].sample.equals(first[day].sample) and second[day].state == first[day].state
    with place.engine.begin() as connection:
        connection.execute(
            text("UPDATE usage_agg_30d_snapshots SET skips_7d = skips_7d + 1 WHERE as_of = '2024-02-29'")
        )
    third = landing.land([JAN, FEB])
    assert place.messages() == [
        "churn: 2024-01-31: 2,000 entities, its profile is kept and holds",
        "churn: 2024-02-29: 2,000 entities, measured now: its sources have changed: view usage_agg_30d_fv has changed",
    ]
    assert profile_to_bytes(third[JAN].profile) == profile_to_bytes(first[JAN].profile)
    skips = [found[FEB].profile.columns["skips_7d"].values for found in (first, third)]  # type: ignore[union-attr]
    assert (skips[0] + 1).tolist() == skips[1].tolist()
    landing.land([JAN], "it was asked for")
    assert place.messages() == ["churn: 2024-01-31: 2,000 entities, measured now: it was asked for"]


def test_what_is_kept_is_the_join(place: Place, tmp_path: Path) -> None:
    (landed,) = place.landing().land([FEB]).values()
    out = tmp_path / "joined.arrow"
    month = place.worker.read_month(FeatureRequest(FEATURE_REPO, MONITOR, landed.state.size, JAN, out))
    table = read_file(out)
    assert landed.sample.equals(sample_rows(table, "user_id"))
    assert profile_to_bytes(landed.profile) == profile_to_bytes(measure_features(table, month.declared, FEB))
    found = landed.features(JAN, tmp_path / "kept.arrow")
    assert (found.as_of, found.rows, found.declared) == (month.as_of, month.rows, month.declared)
    assert (found.absent, found.stale_views) == (month.absent, month.stale_views)


def test_what_was_damaged_is_measured_anew(place: Place) -> None:
    before = place.landing().land([JAN])
    place.messages()
    with place.engine.begin() as connection:
        connection.execute(month_profiles.update().values(profile_digest="0" * 64))
    after = place.landing().land([JAN])
    said = place.messages()
    assert "is not as it was written" in said[0] and said[0].endswith("; it is measured anew")
    assert said[-1] == "churn: 2024-01-31: 2,000 entities, measured now: nothing was kept of it"
    assert profile_to_bytes(after[JAN].profile) == profile_to_bytes(before[JAN].profile)


def test_a_month_that_is_kept_needs_no_feast(
    place: Place, loaded: ConnectionParameters, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place.landing().land([JAN])
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    capfd.readouterr()
    with FeatureWorker(loaded, joins=False) as worker:
        place.landing(worker=worker).land([JAN])
        assert " feast\n" not in capfd.readouterr().err
        place.landing(worker=worker).land([FEB])
        assert " feast\n" in capfd.readouterr().err


def test_each_monitor_has_its_own(place: Place) -> None:
    other = MONITOR.model_copy(update={"name": "other"})
    place.landing().land([JAN])
    place.landing(other).land([JAN])
    assert [line.split(": ")[0] for line in place.messages()] == ["churn", "other"]
    with place.engine.connect() as connection:
        found = connection.execute(month_profiles.select().order_by(month_profiles.c.monitor)).all()
    assert [(row.monitor, row.as_of) for row in found] == [("churn", JAN), ("other", JAN)]
    assert found[0].profile_digest == found[1].profile_digest


LARGE = MONITOR.model_copy(update={"name": "large", "max_report_rows": 1000})


def test_a_large_month_is_counted_whole_and_its_sample_is_drawn_by_the_key(place: Place) -> None:
    """Counts on the grid of the first month's sample are those of the whole month, row by row."""
    exact = place.landing().land([JAN, FEB])
    large = place.landing(LARGE).land([JAN, FEB])
    grid = newest_grid(place.engine, "large")
    assert grid is not None and grid.version == 1
    for day in (JAN, FEB):
        assert (large[day].profile.rows, large[day].sample.num_rows) == (2000, 1000)
        assert profile_to_bytes(large[day].profile) == profile_to_bytes(exact[day].profile.on(grid))
        keys = exact[day].sample.column("user_id").to_pylist()
        drawn = sorted(keys, key=lambda key: key_digest(key, LARGE.sample_seed))[:1000]
        assert large[day].sample.column("user_id").to_pylist() == sorted(drawn)
        rows = exact[day].sample
        assert large[day].sample.equals(rows.filter(pc.is_in(rows.column("user_id"), pa.array(drawn))))
    place.messages()
    again = place.landing(LARGE).land([JAN, FEB])
    assert all(line.endswith("its profile is kept and holds") for line in place.messages())
    assert profile_to_bytes(again[FEB].profile) == profile_to_bytes(large[FEB].profile)


def test_a_grid_that_no_longer_fits_is_renewed_and_the_months_on_it_with_it(place: Place) -> None:
    place.landing(LARGE).land([JAN])
    with place.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE usage_agg_30d_snapshots SET watch_hours_30d = watch_hours_30d + 1e6 WHERE as_of = '2024-02-29'"
            )
        )
    place.messages()
    place.landing(LARGE).land([FEB])
    assert place.messages()[0].startswith(
        "large: the grid is made anew: 100.0% of watch_hours_30d lie outside the grid"
    )
    grid = newest_grid(place.engine, "large")
    assert grid is not None and grid.version == 2
    both = place.landing(LARGE).land([JAN, FEB])
    assert "the grid was renewed (version 1, now 2)" in place.messages()[0]
    assert {found.profile.grid for found in both.values()} == {grid.digest}


def test_a_month_is_counted_by_one_scan_of_its_join(place: Place, tmp_path: Path) -> None:
    """As many rows of a table are read as the month has in it, however many columns of it are counted."""
    size = place.worker.measure_month(FEATURE_REPO, LARGE, FEB)
    out = tmp_path / "sample.arrow"
    read = read_features(place.worker, LARGE, FEATURE_REPO, size, None, out)
    grid = make_grid(measure_features(read_file(out), read.declared, FEB), 1, sampled=True)
    before = rows_read(place.engine)
    request = FeatureRequest(FEATURE_REPO, LARGE, size, None, out)
    (part,) = place.worker.fold_month(request, partial(count_tables, declared=read.declared, as_of=FEB, grid=grid))
    assert profile_from_bytes(part, grid).rows == 2000
    after = rows_read(place.engine)
    read_now = {table: after[table] - before[table] for table in after}
    # It holds the entities as well, whose times Feast asks before it joins.
    assert read_now.pop("subscriptions_profile_snapshots") <= 6000
    assert read_now == dict.fromkeys(
        ("usage_agg_30d_snapshots", "payments_agg_90d_snapshots", "support_agg_90d_snapshots"), 2000
    )


def rows_read(engine: Engine) -> dict[str, int]:
    """Rows that scans of the views' tables have read so far."""
    wanted = text(
        "SELECT relname, seq_tup_read + COALESCE(idx_tup_fetch, 0) FROM pg_stat_user_tables "
        "WHERE relname LIKE '%_snapshots'"
    )
    before: dict[str, int] = {}
    while True:
        with engine.connect() as connection:
            found = {str(name): int(rows) for name, rows in connection.execute(wanted)}
        if found == before:
            return found
        # A session says what it has read a moment after it ended.
        before = found
        time.sleep(0.5)
