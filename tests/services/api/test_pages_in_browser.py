"""The API's own pages in a browser that reaches this machine and nothing else."""

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.browser import chromium

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@pytest.fixture(scope="module")
def browser() -> Iterator["Chrome"]:
    """Chromium that resolves no host; the API is asked by its address."""
    with chromium(loopback=True) as driver:
        yield driver


def test_docs_shows_the_routes_without_the_internet(browser: "Chrome", client: httpx.Client) -> None:
    from selenium.webdriver.common.by import By

    address = str(client.base_url).rstrip("/")
    browser.get(f"{address}/docs")
    deadline = time.monotonic() + 60
    while not (found := browser.find_elements(By.CSS_SELECTOR, ".opblock-summary-path")):
        assert time.monotonic() < deadline, browser.page_source[:2000]
        time.sleep(0.1)
    # The page puts a zero-width space where a long path may break.
    paths = {item.text.replace("\u200b", "") for item in found}
    assert {"/predict", "/predict/batch", "/features/{user_id}", "/ready"} <= paths
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert {name.startswith(address) for name in asked} == {True}, asked
    icon = browser.find_element(By.CSS_SELECTOR, "link[rel~='icon']").get_attribute("href")
    assert icon.startswith(address) and httpx.get(icon, timeout=60).headers["content-type"] == "image/png"


def test_no_other_page_is_there_that_would_ask_another_site(client: httpx.Client) -> None:
    assert client.get("/redoc").status_code == 404
    assert "https://" not in client.get("/docs").text


def test_the_files_of_a_page_are_one_route_in_the_metrics(client: httpx.Client) -> None:
    for name in ("swagger-ui.css", "no-such-file.js"):
        client.get(f"/docs/files/{name}")
    routes = set(re.findall(r'route="([^"]*)"', client.get("/metrics").text))
    assert "/docs/files" in routes and not any("swagger" in route for route in routes)
    assert client.get("/docs/files/..%2fcore.py").status_code == 404
