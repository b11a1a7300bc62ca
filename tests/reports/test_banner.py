"""The page of a report with the banner in its head: the verdict, what was compared, and nothing but text from data."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from driftgate.drift.comparison import Comparison
from driftgate.reports.banner import with_banner
from tests.drift.months import compared, monitor
from tests.reports.runs import NO_TARGET, decided, finished, measured

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


def finished_page(comparison: Comparison, **overrides: Any) -> str:
    """The report's page with its banner; keywords are the monitor's fields."""
    return with_banner(comparison.html, decided(comparison.drift, monitor(**overrides)))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of months with nothing odd in them, one number and one category."""
    columns = {"f": NUMBERS, "g": CATEGORIES}
    return finished_page(compared(tmp_path_factory.mktemp("plain"), columns, columns, NUMERIC | {"g": "STRING"}))


def test_the_page_has_one_banner_in_its_body(plain: str) -> None:
    assert plain.count("<h1>m: 2024-02-29 against 2024-01-31</h1>") == 1
    page = Page(plain)
    assert page.tags.count("body") == page.tags.count("h1") == 1
    assert page.tags.index("h1") > page.tags.index("body")
    assert "0 of 2 declared features drift: drift_share 0.00, threshold 0.30. 200 entities then, 200 now." in page.text
    assert "A seeded sample" not in page.text


def test_the_verdict_and_the_figures_stand_before_the_features() -> None:
    text = Page(with_banner("", finished(performance=measured(0.84, 0.70)))).text
    verdict, target, performance, features = (
        text.index(part)
        for part in ("RETRAINING_TRIGGERED (SIMULATED): auc_drop=0.14 > 0.05", "[Target drift] ref_rate=0.2654",
                     "[Performance] champion=", "1 of 14 declared features drift")
    )  # fmt: skip
    assert verdict < target < performance < features
    assert "[Performance]" not in with_banner("", finished()), "a monitor without it says nothing of it"


def test_a_reason_stays_text() -> None:
    page = Page(with_banner("", finished(target=replace(NO_TARGET, reason=IMAGE))))
    assert "img" not in page.tags and f"abs_diff=nan ({IMAGE})" in page.text


@pytest.mark.parametrize("name", [IMAGE, "a & b", "<body>", "</script><script>alert(1)</script>", "'\"`"])
def test_a_hostile_column_name_stays_text(tmp_path: Path, plain: str, name: str) -> None:
    columns = {name: NUMBERS, "g": CATEGORIES}
    comparison = compared(tmp_path, columns, columns, {name: "FLOAT64", "g": "STRING"})
    page = Page(finished_page(comparison))
    assert page.tags == Page(plain).tags
    assert name in page.text
    assert {column.name for column in comparison.drift.columns} == {name, "g"}


def test_a_hostile_category_stays_text(tmp_path: Path, plain: str) -> None:
    columns = {"f": NUMBERS, "g": ["a", "</script><script>alert(1)</script>"] * (ROWS // 2)}
    comparison = compared(tmp_path, columns, columns, NUMERIC | {"g": "STRING"})
    assert Page(finished_page(comparison)).tags == Page(plain).tags


def test_a_page_without_a_body_still_gets_the_banner() -> None:
    page = with_banner("<p>report</p>", finished())
    assert page.endswith("</section><p>report</p>")
    assert page.count("<h1>") == 1


def test_the_page_says_what_is_excluded_and_what_was_not_compared(tmp_path: Path) -> None:
    ref = {"user_id": NUMBERS, "same": NUMBERS, "gone": NUMBERS}
    cur = {"user_id": NUMBERS, "same": NUMBERS}
    types = dict.fromkeys(ref, "FLOAT64")
    text = Page(finished_page(compared(tmp_path, ref, cur, types, on_incomparable="count_as_drift"))).text
    assert "1 of 2 declared features drift: drift_share 0.50" in text
    assert "Not features, and not counted: user_id (identifier)." in text
    assert "missing: the source of view has no such column (current month)" in text


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_any_share_will_do_as_threshold(tmp_path: Path, threshold: float) -> None:
    comparison = compared(tmp_path, SAME, SAME, NUMERIC, threshold=threshold)
    assert f"threshold {threshold:.2f}" in Page(finished_page(comparison, threshold=threshold)).text


def test_a_sample_is_said_to_be_one(tmp_path: Path) -> None:
    comparison = compared(tmp_path, SAME, SAME, NUMERIC, entities=5000, sample_seed=9)
    text = Page(finished_page(comparison, sample_seed=9)).text
    assert "A seeded sample is compared (seed 9): 200 of 5,000 and 200 of 5,000 entities" in text
