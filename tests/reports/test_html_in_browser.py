"""The report in a browser without a network: everything it needs is in the one file."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from driftgate.database import ConnectionParameters
from driftgate.drift.comparison import Side, compare
from driftgate.drift.ledger import build_ledger
from driftgate.drift.worker import DriftWorker
from driftgate.features.types import FeatureRequest
from driftgate.features.worker import FeatureWorker
from driftgate.monitors import Monitor, read_monitor
from driftgate.reports.banner import with_banner
from tests.browser import chromium
from tests.conftest import FEATURE_REPO, ROOT
from tests.drift.months import Compared, profile_of
from tests.reports.runs import decided

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

REF, CUR = date(2024, 2, 29), date(2024, 3, 31)


@pytest.fixture(scope="module")
def comparison(_loaded_template: ConnectionParameters, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """The pair of sample months that drifts. Nothing is written to the database."""
    folder = tmp_path_factory.mktemp("comparison")
    monitor = read_monitor(ROOT / "flows" / "monitors.toml", "churn")
    with DriftWorker() as drift, FeatureWorker(_loaded_template) as features:
        sides = [_side(features, monitor, day, folder) for day in (REF, CUR)]
        ledger = build_ledger((sides[0].profile, sides[1].profile), sides[1].features.declared, monitor)
        report = drift.draw(sides[0], sides[1], ledger, monitor)
        return Compared(compare(sides[0], sides[1], ledger, monitor), report)


def _side(worker: FeatureWorker, monitor: Monitor, day: date, folder: Path) -> Side:
    size = worker.measure_month(FEATURE_REPO, monitor, day)
    request = FeatureRequest(FEATURE_REPO, monitor, size, None, folder / f"features_{day}.arrow")
    labels = worker.read_labels(FEATURE_REPO, monitor, size, folder / f"labels_{day}.arrow")
    features = worker.read_month(request)
    return Side(size, features, labels, profile_of(features))


@pytest.fixture
def browser() -> "Iterator[Chrome]":
    with chromium() as driver:
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
        )
        yield driver


# The heading of the card that each plot is in, and how many bars it drew.
PLOTS = """
return [...document.querySelectorAll('.js-plotly-plot')].map(plot => {
  const bars = [...plot.querySelectorAll('.point')].length;
  let card = plot.parentElement;
  while (card.parentElement && !card.innerText.includes('missing')) card = card.parentElement;
  return [card.innerText.split('\\n')[0].trim(), plot.getBoundingClientRect().width > 100 ? bars : 0];
})
"""


def test_the_page_is_complete_without_a_network(browser: "Chrome", comparison: Compared, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    page = tmp_path / "report.html"
    monitor = read_monitor(ROOT / "flows" / "monitors.toml", "churn")
    page.write_text(with_banner(comparison.html, decided(comparison.drift, monitor)), encoding="utf-8")
    browser.get(page.as_uri())
    features = {item.name for item in comparison.drift.columns}
    assert len(features) == 14
    wait = WebDriverWait(browser, 60)
    wait.until(lambda driver: len(driver.execute_script(PLOTS)) > len(features))

    drawn = dict(browser.execute_script(PLOTS))
    assert features <= set(drawn), "a feature has no plot"
    assert all(drawn[name] >= 2 for name in features), "a plot is empty"

    banner = browser.find_element(By.CSS_SELECTOR, "body > section").text
    assert "2024-02-29" in banner and "2024-03-31" in banner
    assert f"the {len(comparison.drift.drifted)} of 14 declared features that moved" in banner
    link = browser.find_element(By.LINK_TEXT, "The verdict page").get_attribute("href")
    assert link.endswith("/verdict_2024-02-29_vs_2024-03-31.html")
    assert all(name in browser.page_source for name in features)

    rows = browser.find_elements(By.CSS_SELECTOR, "[aria-label='Detail panel visibility toggle']")
    assert rows, "the drift table is empty"
    before = len(browser.find_elements(By.CSS_SELECTOR, ".js-plotly-plot"))
    browser.execute_script("arguments[0].click()", rows[0])
    wait.until(lambda driver: len(driver.find_elements(By.CSS_SELECTOR, ".js-plotly-plot")) > before)

    log = browser.get_log("browser")
    assert [entry for entry in log if entry["level"] == "SEVERE"] == []


def test_the_page_asks_for_nothing_from_elsewhere(comparison: Compared) -> None:
    for tag in ("script", "link", "img", "iframe"):
        for name in ("src", "href"):
            assert not re.search(rf"<{tag}[^>]*\s{name}=[\"']?(https?:)?//", comparison.html)
