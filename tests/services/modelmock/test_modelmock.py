"""The model mock: its values, and the process that exposes them."""

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.services.daemons import SERVICES, free_port, running, script, wait_until

SCRIPT = SERVICES / "modelmock" / "modelmock.py"


MOCK = script(SCRIPT)


def first(
    count: int, mode: str, seed: int = 0, every: float = 5, high: float = 120, period: float = 300
) -> list[float]:
    return list(islice(MOCK.values(mode, seed, every, high, period), count))


seconds = st.floats(0.01, 1000)


@given(mode=st.sampled_from(MOCK.MODES), seed=st.integers(), every=seconds, high=seconds, period=seconds)
def test_values_are_in_range_and_come_again_with_the_seed(
    mode: str, seed: int, every: float, high: float, period: float
) -> None:
    values = first(200, mode, seed, every, high, period)
    assert all(0 <= value <= 1 for value in values)
    assert values == first(200, mode, seed, every, high, period)


@given(seed=st.integers())
def test_normal_alerts_nobody_and_moves(seed: int) -> None:
    values = first(500, "normal", seed)
    assert max(values) <= 0.8
    assert len(set(values)) > 100


def test_seeds_differ() -> None:
    assert first(10, "normal", 1) != first(10, "normal", 2)


@given(seed=st.integers())
def test_high_is_above_for_its_time_and_then_normal(seed: int) -> None:
    values = first(100, "high", seed, every=5, high=60)
    assert [value > 0.9 for value in values] == [True] * 12 + [False] * 88


@given(seed=st.integers())
def test_the_wave_is_above_long_enough_to_alert_and_comes_down(seed: int) -> None:
    above = [value > 0.9 for value in first(120, "wave", seed, every=5, period=300)]
    assert "TTTTTT" in "".join("FT"[value] for value in above[:60])
    assert above[:60].count(True) < 20
    assert above[:60].count(True) > 6
    assert abs(above[60:].count(True) - above[:60].count(True)) <= 4


def value_at(url: str) -> float:
    with urlopen(url, timeout=10) as response:
        families = {family.name: family for family in text_string_to_metric_families(response.read().decode())}
    assert families["model_result"].type == "gauge"
    return float(families["model_result"].samples[0].value)


def test_the_process_exposes_changing_values_until_it_is_stopped(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    command = [sys.executable, SCRIPT, "--port", str(port), "--mode", "high", "--seed", "3", "--every-seconds", "0.1"]
    with running(command, tmp_path / "log", url) as process:
        start = value_at(url)
        assert start in first(1000, "high", seed=3, every=0.1)
        wait_until("another value", lambda: value_at(url) != start)
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--mode", "low"], {}, "invalid choice: 'low'"),
        ([], {"MODELMOCK_MODE": "low"}, "MODELMOCK_MODE is 'low'; allowed: normal, high, wave"),
        (["--every-seconds", "0"], {}, "invalid _seconds value: '0'"),
        ([], {"MODELMOCK_HIGH_SECONDS": "nan"}, "invalid _seconds value: 'nan'"),
        ([], {"MODELMOCK_SEED": "x"}, "invalid int value: 'x'"),
    ],
)
def test_a_wrong_option_is_refused(arguments: list[str], environment: dict[str, str], message: str) -> None:
    command = [sys.executable, str(SCRIPT), "--port", "0", *arguments]
    refused = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )
    assert refused.returncode == 2
    assert message in refused.stderr
