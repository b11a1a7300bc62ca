"""What the sources of a month hold: whatever changes in them is seen, and what does not is not."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import Engine, text

from driftgate.database import ConnectionParameters, connect
from driftgate.features.state import MeasuredFrom, MonthState, ViewState
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import read_monitor
from tests.conftest import FEATURE_REPO, ROOT
from tests.profiles.months import FROM, NOW

JAN, FEB = date(2024, 1, 31), date(2024, 2, 29)
MONITOR = read_monitor(ROOT / "flows" / "monitors.toml", "churn")


def test_what_a_profile_was_measured_from_says_what_has_changed() -> None:
    assert FROM.differences(FROM) == []
    assert MeasuredFrom.from_dict(FROM.to_dict()) == FROM
    later = replace(
        FROM,
        entities=310,
        views={**FROM.views, "usage": ViewState(310, NOW, None)},
        schema={"fee": "FLOAT64"},
        versions={"driftgate": "0.2.0"},
    )
    assert FROM.differences(later) == [
        "310 entities instead of 300",
        "view usage has changed",
        "feature plan has changed",
        "version of driftgate has changed",
    ]


@pytest.fixture
def states(loaded: ConnectionParameters) -> Iterator[Callable[[], dict[date, MonthState]]]:
    worker = FeatureWorker(loaded, joins=False)

    def ask() -> dict[date, MonthState]:
        return worker.month_states(FEATURE_REPO, MONITOR, [JAN, FEB])

    yield ask
    worker.close()


CHANGES = [
    (
        "UPDATE usage_agg_30d_snapshots SET watch_hours_30d = watch_hours_30d + 1 "
        "WHERE as_of = '2024-02-29' AND user_id = (SELECT min(user_id) FROM usage_agg_30d_snapshots)",
        ["view usage_agg_30d_fv has changed"],
    ),
    (
        "UPDATE payments_agg_90d_snapshots SET failed_payments_90d = NULL WHERE as_of = '2024-02-29'",
        ["view payments_agg_90d_fv has changed"],
    ),
    (
        "DELETE FROM subscriptions_profile_snapshots WHERE as_of = '2024-02-29' AND user_id = "
        "(SELECT min(user_id) FROM subscriptions_profile_snapshots)",
        ["1999 entities instead of 2000", "view subs_profile_fv has changed"],
    ),
]


def test_a_change_of_a_month_is_seen_in_that_month(
    states: Callable[[], dict[date, MonthState]], loaded_engine: Engine
) -> None:
    before = states()
    assert states() == before, "what has not changed is the same"
    assert before[FEB].size.entities == 2000 and len(before[FEB].declared) == 14 and before[FEB].absent == ()
    assert before[FEB].stale_views(JAN) == () and before[FEB].stale_views(None) == ()
    assert set(before[FEB].stale_views(FEB)) == set(before[FEB].measured_from.views)
    for statement, differences in CHANGES:
        with loaded_engine.begin() as connection:
            connection.execute(text(statement))
        after = states()
        assert before[FEB].measured_from.differences(after[FEB].measured_from) == differences
        assert before[JAN] == after[JAN]
        before = after


def test_other_settings_of_the_monitor_are_another_measurement(loaded: ConnectionParameters) -> None:
    other = MONITOR.model_copy(update={"sample_seed": 1})
    judged_otherwise = MONITOR.model_copy(update={"threshold": 0.5})
    with FeatureWorker(loaded, joins=False) as worker:
        found = [
            worker.month_states(FEATURE_REPO, monitor, [FEB])[FEB].measured_from
            for monitor in (MONITOR, other, judged_otherwise)
        ]
    assert found[0].differences(found[1]) == ["version of the monitor's settings has changed"]
    assert found[0] == found[2]


def test_feast_is_imported_once_for_a_registry(
    loaded: ConnectionParameters, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The description is kept; after another apply it is made anew."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    imported = []
    for change in (False, False, True, False):
        if change:
            ensure_changed(loaded)
        with FeatureWorker(loaded, joins=False) as worker:
            assert worker.month_states(FEATURE_REPO, MONITOR, [FEB])[FEB].size.entities == 2000
            assert worker.loaded_months(FEATURE_REPO, MONITOR)[-1] == date(2024, 3, 31)
        imported.append(" feast\n" in capfd.readouterr().err)
    assert imported[1:] == [False, True, False], "another test may have asked first"


def ensure_changed(parameters: ConnectionParameters) -> None:
    """As after the repository was applied with another definition."""
    engine = connect(parameters)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM data_sources WHERE data_source_name = 'labels'"))
    engine.dispose()
