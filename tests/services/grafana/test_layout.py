"""How the dashboards are laid out: panels, rows, refresh, and what each panel says about itself."""

from itertools import combinations
from typing import Any

import pytest

from tests.services.grafana.dashboards import DASHBOARDS, PANELS


@pytest.mark.parametrize("name", ["api", "predictions", "modelmock", "overview"])
def test_what_is_live_shows_the_last_quarter_of_an_hour_every_five_seconds(name: str) -> None:
    assert DASHBOARDS[name]["refresh"] == "5s"
    assert DASHBOARDS[name]["time"] == {"from": "now-15m", "to": "now"}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["w"] > 0 and place["x"] + place["w"] <= 24
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        separate = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert separate, (one, other)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_row_is_open_and_as_wide_as_the_page(name: str) -> None:
    for panel in DASHBOARDS[name]["panels"]:
        if panel["type"] == "row":
            assert panel["title"]
            assert (panel["collapsed"], panel["panels"]) == (False, [])
            assert (panel["gridPos"]["x"], panel["gridPos"]["w"], panel["gridPos"]["h"]) == (0, 24, 1)


def test_the_drift_dashboard_has_its_rows_in_the_order_of_the_questions() -> None:
    panels = sorted(DASHBOARDS["drift"]["panels"], key=lambda panel: panel["gridPos"]["y"])
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == ["Performance", "Features", "Runs"]


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_panel_explains_itself_and_knows_what_to_say_when_empty(name: str, panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 20
    assert panel["title"]
    assert "noValue" in panel["fieldConfig"]["defaults"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
