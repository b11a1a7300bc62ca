"""Chromium without a network; without Chromium the tests that ask for it are skipped, or fail where it is required."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_BROWSER, _DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
_OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--window-size=1400,900",
]


def require(missing: str) -> None:
    """Skip for what is missing; fail where browser tests are required."""
    if os.environ.get("DRIFTGATE_TEST_BROWSER") == "required":
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def chromium(*, loopback: bool = False) -> "Iterator[Chrome]":
    """Chromium that resolves no host; with `loopback` it reaches 127.0.0.1."""
    if missing := [str(path) for path in (_BROWSER, _DRIVER) if not path.exists()]:
        require(f"missing: {missing}")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(_BROWSER)
    hosts = "MAP * ~NOTFOUND" + (", EXCLUDE 127.0.0.1" if loopback else "")
    for argument in (*_OPTIONS, f"--host-resolver-rules={hosts}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(str(_DRIVER))) as driver:
        yield driver
