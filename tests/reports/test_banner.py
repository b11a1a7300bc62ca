"""An Evidently report with the banner in its head: the sentence, the way on, and nothing but text from data."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from driftgate.performance.result import PerformanceState, not_measured
from driftgate.reports.banner import with_banner
from tests.drift.months import Compared, compared, monitor
from tests.reports.runs import decided, finished, measured

ROWS = 200
NUMBERS = [float(n) for n in range(ROWS)]
CATEGORIES = ["a", "b"] * (ROWS // 2)
SAME = {"f": NUMBERS}
NUMERIC = {"f": "FLOAT64"}
IMAGE = "<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """What a browser sees: the elements, and the text outside scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in {"script", "style"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self.text += data


def finished_page(comparison: Compared, **overrides: Any) -> str:
    """The report's page with its banner; keywords are the monitor's fields."""
    return with_banner(comparison.html, decided(comparison.drift, monitor(**overrides)))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of months with nothing odd in them, one number and one category."""
    columns = {"f": NUMBERS, "g": CATEGORIES}
    return finished_page(compared(tmp_path_factory.mktemp("plain"), columns, columns, NUMERIC | {"g": "STRING"}))


def test_the_page_has_one_banner_in_its_body(plain: str) -> None:
    page = Page(plain)
    assert page.tags.count("body") == page.tags.count("h1") == 1
    assert page.tags.index("h1") > page.tags.index("body")
    assert "m: 2024-02-29 against 2024-01-31: NO_ACTION" in page.text
    assert "decided by more than the count of drifted columns below: by the 0 of 2 declared features" in page.text


def test_the_banner_has_the_sentence_and_leads_to_the_verdict_page() -> None:
    html = with_banner("", finished(performance=measured(0.84, 0.70)))
    text = Page(html).text
    assert "RETRAINING_TRIGGERED (SIMULATED)" in text
    assert (
        "Retrain: the model has ranked worse than in its validation since February 2024 (AUC 0.70, was 0.84)." in text
    )
    assert "href='verdict_2024-01-31_vs_2024-02-29.html'" in html
    assert "class='act'" in html and "class='calm'" in with_banner("", finished())


def test_a_reason_stays_text() -> None:
    reason = not_measured(PerformanceState.NOT_COMPUTABLE, IMAGE)
    page = Page(with_banner("", finished(performance=reason)))
    assert "img" not in page.tags and IMAGE in page.text


@pytest.mark.parametrize("name", [IMAGE, "a & b", "<body>", "</script><script>alert(1)</script>", "'\"`"])
def test_a_hostile_column_name_stays_text(tmp_path: Path, plain: str, name: str) -> None:
    columns = {name: NUMBERS, "g": CATEGORIES}
    comparison = compared(tmp_path, columns, columns, {name: "FLOAT64", "g": "STRING"})
    page = Page(finished_page(comparison))
    assert page.tags == Page(plain).tags
    assert {column.name for column in comparison.drift.columns} == {name, "g"}


def test_a_hostile_category_stays_text(tmp_path: Path, plain: str) -> None:
    columns = {"f": NUMBERS, "g": ["a", "</script><script>alert(1)</script>"] * (ROWS // 2)}
    comparison = compared(tmp_path, columns, columns, NUMERIC | {"g": "STRING"})
    assert Page(finished_page(comparison)).tags == Page(plain).tags


def test_a_page_without_a_body_still_gets_the_banner() -> None:
    page = with_banner("<p>report</p>", finished())
    assert page.endswith("</section><p>report</p>")
    assert page.count("<h1>") == 1
