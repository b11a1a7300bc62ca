"""Driftgate's pages in a browser without a network: whole, readable in light and dark, by keyboard, narrow and wide."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from driftgate.decision import History, PastDecision
from driftgate.performance.result import Change, FeatureAuc, Gain
from driftgate.reports import backtest_page
from driftgate.reports.index import write_index
from tests.browser import chromium, require
from tests.reports.backtests import replayed
from tests.reports.pages import put
from tests.reports.runs import (
    APRIL,
    CLASS_TARGET,
    COSTS,
    ESTIMATED,
    FEBRUARY,
    JANUARY,
    MARCH,
    NO_TARGET,
    PENDING_TARGET,
    PERMUTED,
    SCORE_BINS,
    checked,
    column,
    finished,
    lost,
    measured,
)

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

TRIGGERED = "verdict_2024-02-29_vs_2024-03-31.html"
PAGES = [
    "index.html",
    "monitor.html",
    "backtest.html",
    "orders/monitor.html",
    TRIGGERED,
    "verdict_2024-01-31_vs_2024-02-29.html",
    "verdict_2024-03-31_vs_2024-04-30.html",
    "orders/verdict_2024-01-31_vs_2024-03-31.html",
    "orders/verdict_2024-01-31_vs_2024-02-29.html",
]
WIDTHS = [320, 400, 768, 1400, 3840]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of two monitors: a calm month, a trigger, one held back, a pending one, a backtest, a broken record."""
    folder = tmp_path_factory.mktemp("reports")
    waited = PastDecision(datetime(2024, 3, 1, tzinfo=UTC), "NO_ACTION", None, (), False, pending=True)
    relations = tuple(FeatureAuc(f"a_rather_long_name_of_a_feature_{n}", 0.7 - n / 20, 0.45) for n in range(4))
    recall = Change(0.61, 0.24, -0.43, -0.31, 0.001)
    fallen = replace(measured(0.82, 0.5), relations=relations, score_bins=SCORE_BINS, feature_costs=COSTS)
    fallen = replace(fallen, measures=fallen.measures | {"top_tenth_recall": recall}, gain=Gain(0.2, 0.1, 0.3, 700))
    wild = [
        column("very_long_name_without_an_end_and_then_some_more", 8.0),
        replace(column("b", 0.3), chance=0.021, missing_p_value=0.0001, missing_chance=0.012),
        lost("gone"),
        column("c"),
    ]
    runs = [
        replace(finished(performance=measured(0.82, 0.81)), skew=checked(), earlier=(waited,)),
        replace(
            finished(*wild, months=(FEBRUARY, MARCH), target=NO_TARGET, performance=fallen, target_threshold=0.02),
            skew=checked(PERMUTED),
        ),
        finished(*wild, months=(MARCH, APRIL), performance=fallen, history=History(champion_trained_on=APRIL)),
        finished(months=(JANUARY, MARCH), prediction=replace(column("prediction", 0.4), chance=0.02)),
    ]
    for run in runs:
        put(folder, run)
    put(
        folder / "orders",
        finished(name="orders", months=(JANUARY, MARCH), performance=ESTIMATED, target=PENDING_TARGET),
    )
    macro = replace(fallen, measures={"macro_auc": fallen.measures["auc"]}, measure="macro_auc")
    put(
        folder / "orders",
        finished(name="orders", months=(JANUARY, FEBRUARY), performance=macro, target=CLASS_TARGET),
    )
    (folder / "decision_broken.json").write_text("{")
    (folder / "backtest.html").write_text(backtest_page.render(replayed(heeds=False)), encoding="utf-8")
    write_index(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator["Chrome"]:
    """Chromium that resolves no host."""
    with chromium() as driver:
        yield driver


def look(browser: "Chrome", page: Path, scheme: str = "light", width: int = 1400) -> None:
    """Open a page, with every list of answers unfolded."""
    emulate: dict[str, Any] = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulate)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")


def test_the_pages_are_all_there(folder: Path) -> None:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.html") if not path.name.startswith("drift_")}
    assert set(PAGES) == found - {"verdict_2024-01-31_vs_2024-03-31.html"}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_nothing_and_reports_no_fault(browser: "Chrome", folder: Path, page: str) -> None:
    look(browser, folder / page)
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("page", PAGES)
def test_no_width_scrolls_the_page_sideways(browser: "Chrome", folder: Path, page: str) -> None:
    for width in WIDTHS:
        look(browser, folder / page, width=width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, width


# Text whose box ends outside of what its element shows, unless a parent scrolls.
CLIPPED = """
const scrolls = e => { for (; e; e = e.parentElement) if (getComputedStyle(e).overflowX === 'auto') return true; };
return [...document.querySelectorAll('h1, h2, h3, p, li, dd, td, th, code, .now, .badge')].filter(e => !scrolls(e)
  && e.offsetParent && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
  .map(e => e.innerText);
"""


@pytest.mark.parametrize("page", PAGES)
def test_no_text_runs_out_of_its_box(browser: "Chrome", folder: Path, page: str) -> None:
    for width in (400, 1400):
        look(browser, folder / page, width=width)
        assert browser.execute_script(CLIPPED) == [], width


# Text below these sizes in CSS pixels, that of the axes of a plot apart from all other.
TOO_SMALL = """
const small = [];
for (const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); walker.nextNode();) {
  const text = walker.currentNode.data.trim(), parent = walker.currentNode.parentElement;
  if (!text || !parent.offsetParent || parent.closest('style')) continue;
  const least = parent.closest('.ends, .plot em') ? 12 : 14, size = parseFloat(getComputedStyle(parent).fontSize);
  if (size < least) small.push([size, text.slice(0, 60)]);
}
return small;
"""


@pytest.mark.parametrize("page", PAGES)
def test_no_text_is_too_small_to_read(browser: "Chrome", folder: Path, page: str) -> None:
    for width in WIDTHS:
        look(browser, folder / page, width=width)
        assert browser.execute_script(TOO_SMALL) == [], width


@pytest.mark.parametrize("page", [each for each in PAGES if "verdict" in each or "backtest" in each])
def test_the_heading_of_each_section_is_a_question(browser: "Chrome", folder: Path, page: str) -> None:
    look(browser, folder / page)
    headings = browser.execute_script("return [...document.querySelectorAll('h2')].map(each => each.innerText)")
    assert len(headings) > 2 and [text for text in headings if not text.endswith("?")] == []


def axe() -> Any:
    try:
        from axe_core_python.selenium import Axe
    except ImportError:
        require("axe-core-python is missing; `make setup` installs it")
    return Axe()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_no_barrier(browser: "Chrome", folder: Path, page: str, scheme: str) -> None:
    """Contrast, labels, roles, order of headings, tables, landmarks: all rules of axe, at both widths."""
    checker = axe()
    for width in (400, 1400):
        look(browser, folder / page, scheme, width)
        background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, background[4:-1].split(","))) < 200) == (scheme == "dark")
        found = checker.run(browser)
        broken = [(rule["id"], [node["html"][:160] for node in rule["nodes"]]) for rule in found["violations"]]
        assert broken == [], width
        assert len(found["passes"]) > 15


def test_the_answer_stands_on_the_first_screen(browser: "Chrome", folder: Path) -> None:
    from selenium.webdriver.common.by import By

    look(browser, folder / TRIGGERED)
    ends = "return arguments[0].getBoundingClientRect().bottom"
    assert browser.find_element(By.TAG_NAME, "h1").text.startswith("Retrain: the model ranks no better than chance")
    assert browser.execute_script(ends, browser.find_element(By.CSS_SELECTOR, ".next")) < 500
    assert browser.execute_script(ends, browser.find_element(By.CSS_SELECTOR, ".figures .now")) < 760


def test_the_pages_lead_to_each_other_by_keyboard(browser: "Chrome", folder: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    look(browser, folder / "index.html")

    def follow(text: str) -> None:
        for _ in range(60):
            browser.switch_to.active_element.send_keys(Keys.TAB)
            focused = browser.switch_to.active_element
            if focused.text == text or focused.get_attribute("aria-label") == text:
                outline = browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", focused)
                assert outline == "solid", "the focus is not seen"
                focused.send_keys(Keys.ENTER)
                return
        raise AssertionError(f"{text!r} is not reached by the keyboard")

    follow("All months")
    assert browser.title == "churn: months"
    follow("Retrain, March 2024")
    assert browser.title == "churn: March 2024 against February 2024"
    follow("Evidently report")
    assert "report" in browser.page_source
    browser.back()
    follow("Overview")
    assert browser.title == "Driftgate"


def test_the_switch_shows_one_reference_at_a_time_by_arrow_keys(browser: "Chrome", folder: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    look(browser, folder / "monitor.html")
    panels = browser.find_elements(By.CSS_SELECTOR, ".panel")
    assert [panel.is_displayed() for panel in panels] == [True, False]
    first = browser.find_element(By.ID, "reference-0")
    browser.execute_script("arguments[0].focus()", first)
    first.send_keys(Keys.ARROW_RIGHT)
    assert [panel.is_displayed() for panel in panels] == [False, True]
    assert browser.switch_to.active_element.get_attribute("id") == "reference-1"


def test_bars_keep_to_one_scale_and_none_is_cut_off(browser: "Chrome", folder: Path) -> None:
    from selenium.webdriver.common.by import By

    look(browser, folder / TRIGGERED)
    bars = browser.find_elements(By.CSS_SELECTOR, ".ledger .bar")
    assert len(bars) == 3, "one feature could not be compared"
    parts = []
    for bar in bars:
        length, limit = (bar.find_element(By.CSS_SELECTOR, tag) for tag in ("i", "b"))
        parts.append(length.size["width"] / bar.size["width"])
        assert limit.location["x"] > bar.location["x"]
    assert parts == sorted(parts, reverse=True)
    assert parts[0] < 1.0 and parts[0] > 1.5 * parts[1]


def test_a_screen_reader_is_told_what_a_trend_shows(browser: "Chrome", folder: Path) -> None:
    look(browser, folder / TRIGGERED)
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    said = " ".join(str(node.get("name", {}).get("value")) for node in nodes if not node["ignored"])
    months = "from February 2024 to March 2024"
    assert f"Fall of the AUC {months}: 0.01 then, 0.32 now, threshold 0.05, reached in 1 of 2" in said


def test_the_page_can_be_printed(browser: "Chrome", folder: Path) -> None:
    look(browser, folder / TRIGGERED)
    assert len(browser.print_page()) > 10_000
