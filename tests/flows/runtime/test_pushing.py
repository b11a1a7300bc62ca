"""What a run of the monitor leaves on a real Pushgateway: success, failure, and nothing for what is past."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.request import urlopen

import pytest
from sqlalchemy import text

from driftgate.errors import IncomparableColumnsError, UnknownMonthError, UsageError
from driftgate.pushgateway import MONITOR_FLOW
from flows.runtime.environment import Runtime
from flows.runtime.pushing import failures_pushed
from tests.services.daemons import pushgateway
from tests.workplace import Workplace

JAN, FEB, MAR = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)
NAMES = ("driftgate_last_run_failed", "driftgate_run_duration_seconds")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pushgateway(tmp_path_factory.mktemp("pushgateway")) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUSHGATEWAY_URL", url)
        yield url


def held(url: str, monitor: str = "churn") -> dict[str, float]:
    """Everything of the monitor's group, by name and labels."""
    with urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = {}
    for line in lines:
        match = re.fullmatch(r"(driftgate_\w+)\{(.*)\} (\S+)", line)
        if match and f'monitor="{monitor}"' in match[2] and 'flow="monitor_month"' in match[2]:
            labels = [item for item in match[2].split(",") if not item.startswith(("job", "instance", "flow", "mon"))]
            found[f"{match[1]}{{{','.join(labels)}}}" if labels else match[1]] = float(match[3])
    return found


def test_success_then_nothing_for_the_past_then_failure(workplace: Workplace, gateway: str) -> None:
    from flows.backfill_flow import monitor_new_months
    from flows.monitor import monitor_month

    run = monitor_month()
    success = held(gateway)
    assert success["driftgate_last_run_failed"] == 0
    assert success["driftgate_drift_share"] == pytest.approx(run.drift.drift_share)
    assert success["driftgate_performance_drop"] == pytest.approx(run.performance.drop)
    assert success["driftgate_last_success_timestamp_seconds"] == pytest.approx(run.decided_at.timestamp(), abs=1)
    assert success['driftgate_decision{verdict="RETRAINING_TRIGGERED"}'] == 1
    assert 0 < success["driftgate_run_duration_seconds"] < 600

    assert monitor_new_months() == []
    assert held(gateway) == success, "where nothing is due there is no success"

    monitor_month(JAN, FEB)
    assert held(gateway) == success, "an old month is not today's state"

    spoil = "UPDATE usage_agg_30d_snapshots SET watch_hours_30d = NULL WHERE as_of = '{}'"
    with workplace.engine.begin() as connection:
        connection.execute(text(spoil.format(FEB)))
    with pytest.raises(IncomparableColumnsError):
        monitor_month(JAN, FEB)
    assert held(gateway) == success, "nor is its failure"

    with pytest.raises(IncomparableColumnsError):
        monitor_month(FEB, MAR)
    failure = held(gateway)
    state = 'driftgate_column_state{{column="watch_hours_30d",state="{}"}}'
    assert failure["driftgate_last_run_failed"] == 1
    assert failure[state.format("all null")] == 1 and failure[state.format("compared")] == 0
    for name in ("driftgate_last_success_timestamp_seconds", "driftgate_drift_share"):
        assert failure[name] == success[name], "what the last success found stays"

    with pytest.raises(UsageError):
        monitor_month(MAR, FEB)
    assert held(gateway) == failure, "a wrong call says nothing of the months"


@pytest.mark.usefixtures("workplace")
def test_a_block_that_ends_badly_is_a_failure_unless_it_was_called_wrongly_or_is_of_the_past(gateway: str) -> None:
    runtime = Runtime.from_environment()
    with pytest.raises(UsageError), failures_pushed(runtime, MONITOR_FLOW, "block"):
        raise UsageError("wrong")
    with pytest.raises(UnknownMonthError), failures_pushed(runtime, MONITOR_FLOW, "block") as clock:
        clock.current = False
        raise UnknownMonthError("of the past")
    with failures_pushed(runtime, MONITOR_FLOW, "block"):
        pass
    assert held(gateway, "block") == {}
    with pytest.raises(ZeroDivisionError), failures_pushed(runtime, MONITOR_FLOW, "block"):
        _ = 1 / 0
    found = held(gateway, "block")
    assert set(found) == set(NAMES) and found[NAMES[0]] == 1


@pytest.mark.usefixtures("workplace")
def test_without_an_address_or_a_gateway_the_error_is_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for url in (None, "http://127.0.0.1:1"):
        monkeypatch.delenv("PUSHGATEWAY_URL", raising=False)
        if url:
            monkeypatch.setenv("PUSHGATEWAY_URL", url)
        with (
            pytest.raises(UnknownMonthError, match="as it was"),
            failures_pushed(Runtime.from_environment(), MONITOR_FLOW, "unreachable"),
        ):
            raise UnknownMonthError("as it was")
