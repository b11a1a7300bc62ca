"""The description of the source tables: what it says of itself, and what is refused."""

import pytest

from driftgate.errors import ConfigurationError
from driftgate.snapshots import Column, SourceTable, SourceTables

KEY = Column("shop", "text", nullable=False)
SHOPS = SourceTable("shops", (KEY, Column("city", "text")))
SALES = SourceTable("sales", (KEY, Column("total", "number")), snapshot="sales_by_month", timestamp="day")


def test_a_description_knows_its_parent_its_key_and_its_snapshots() -> None:
    sources = SourceTables((SHOPS, SALES))
    assert (sources.parent, sources.key, sources.snapshots) == (SHOPS, "shop", ("sales_by_month",))


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ((), "no table keeps its months"),
        ((SHOPS,), "no table keeps its months"),
        ((SALES, SALES), "two tables called sales, sales_by_month"),
        ((SourceTable("sales_by_month", (KEY,)), SALES), "two tables called sales_by_month"),
        ((SHOPS, SourceTable("empty", ()), SALES), "no column in empty"),
        ((SHOPS, SourceTable("cities", (Column("city", "text"),)), SALES), "different names: city, shop"),
        ((SALES, SourceTable("half", (KEY,), snapshot="halves")), "a snapshot table without a timestamp"),
    ],
)
def test_what_is_wrong_with_a_description_is_said(tables: tuple[SourceTable, ...], fault: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SourceTables(tables)
    assert fault in caught.value.received
