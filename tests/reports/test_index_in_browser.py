"""The index of reports in a browser without a network: it is drawn, its links open, and it suits the dark."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from driftgate.decision import History
from driftgate.reports.index import write_index
from driftgate.store.record import record_text
from tests.reports.runs import FEBRUARY, JANUARY, MARCH, NO_TARGET, PENDING, PENDING_TARGET, column, finished, measured

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

BROWSER, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
OFFLINE = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1200,900",
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two monitors, with a fall, one held back and a pending one, and a broken record."""
    folder = tmp_path_factory.mktemp("reports")
    runs = [
        finished(performance=measured(0.82, 0.5), history=History(champion_trained_on=MARCH)),
        finished(column("a", 0.5), months=(FEBRUARY, MARCH), target=NO_TARGET, performance=measured(0.82, 0.5)),
        finished(
            name="orders",
            report_folder="orders",
            months=(JANUARY, MARCH),
            performance=PENDING,
            target=PENDING_TARGET,
        ),
    ]
    for run in runs:
        for path in (run.paths.html, run.paths.json, run.paths.record):
            place = folder / path.relative_to("/reports")
            place.parent.mkdir(exist_ok=True)
            place.write_text(record_text(run) if path == run.paths.record else f"report of {run.monitor.name}")
    (folder / "decision_broken.json").write_text("{")
    return write_index(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator["Chrome"]:
    """Chromium that resolves no host."""
    missing = [str(path) for path in (BROWSER, DRIVER) if not path.exists()]
    if missing and os.environ.get("DRIFTGATE_TEST_BROWSER") == "required":
        pytest.fail(f"missing: {missing}")
    if missing:
        pytest.skip(f"missing: {missing}")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in OFFLINE:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER))) as driver:
        yield driver


def test_the_page_shows_every_run_and_draws_the_trend(browser: "Chrome", page: Path) -> None:
    from selenium.webdriver.common.by import By

    browser.get(page.as_uri())
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 3
    assert [item.text for item in browser.find_elements(By.TAG_NAME, "h2")] == ["churn", "orders", "Unreadable records"]
    (trend,) = browser.find_elements(By.CSS_SELECTOR, "svg.trend")
    assert trend.size["height"] > 50
    assert "threshold 0.30" in trend.accessible_name
    bars = browser.find_elements(By.CSS_SELECTOR, ".bar i")
    widths = [bar.size["width"] / bar.find_element(By.XPATH, "..").size["width"] for bar in bars]
    assert widths == pytest.approx([1.0, 1 / 14, 1 / 14], abs=0.02)
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_links_open_the_reports(browser: "Chrome", page: Path) -> None:
    from selenium.webdriver.common.by import By

    browser.get(page.as_uri())
    addresses = [link.get_attribute("href") for link in browser.find_elements(By.LINK_TEXT, "report")]
    assert len(addresses) == 3
    for address in addresses:
        browser.get(address)
        assert "report of" in browser.find_element(By.TAG_NAME, "body").text


COLORS = """
const lum = text => { const c = text.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * c[0] + .7152 * c[1] + .0722 * c[2]; };
const back = e => { for (; e; e = e.parentElement) { const b = getComputedStyle(e).backgroundColor;
    if (!/rgba\\(.*, 0\\)/.test(b)) return b; } return 'rgb(255, 255, 255)'; };
return [...document.querySelectorAll('h1, h2, p, th, td, a, .badge, .soft, .tip, .dropped, li')].map(e => {
  const [a, b] = [lum(getComputedStyle(e).color), lum(back(e))];
  return [e.className || e.tagName, (Math.max(a, b) + .05) / (Math.min(a, b) + .05)]; });
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(browser: "Chrome", page: Path, scheme: str) -> None:
    emulate: dict[str, Any] = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulate)
    browser.get(page.as_uri())
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == (scheme == "dark")
    contrasts = browser.execute_script(COLORS)
    assert len(contrasts) > 20
    # WCAG 2.1, level AA.
    assert [(what, ratio) for what, ratio in contrasts if ratio < 4.5] == []


def test_the_interval_shows_under_the_mouse_and_on_focus_inside_the_window(browser: "Chrome", page: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(page.as_uri())
    hints = browser.find_elements(By.CSS_SELECTOR, ".auc .hint")
    assert len(hints) == 3
    for number, hint in enumerate(hints):
        tip = hint.find_element(By.CSS_SELECTOR, ".tip")
        assert not tip.is_displayed()
        if number:
            browser.execute_script("arguments[0].focus()", hint)
        else:
            ActionChains(browser).move_to_element(hint).perform()
        WebDriverWait(browser, 60).until(lambda _, tip=tip: tip.is_displayed())
        assert tip.text
        seen = "const r = arguments[0].getBoundingClientRect(), e = document.elementFromPoint(r.left + 4, r.top + 4);"
        assert browser.execute_script(f"{seen} return e === arguments[0]", tip), "something lies over it"
    assert "95% interval 0.29 to 0.35" in hints[0].get_attribute("textContent")


def test_a_screen_reader_is_told_the_interval(browser: "Chrome", page: Path) -> None:
    browser.get(page.as_uri())
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    said = " ".join(str(node.get("name", {}).get("value")) for node in nodes if not node["ignored"])
    assert "95% interval 0.29 to 0.35, threshold 0.05; champion v1" in said
    assert "pending, 43% labelled" in said


def test_a_narrow_window_scrolls_the_table_and_not_the_page(browser: "Chrome", page: Path) -> None:
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
