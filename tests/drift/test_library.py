"""Two tables compared without a database: every kind of table, every kind of column, and the words of its errors."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import driftgate
from driftgate.drift.result import ColumnState
from driftgate.errors import ConfigurationError, DataError, UsageError

ROWS = 2000
RANDOM = np.random.default_rng(3)
REFERENCE = pd.DataFrame(
    {
        "id": np.arange(ROWS),
        "fee": RANDOM.lognormal(size=ROWS),
        "plan": RANDOM.choice(["basic", "plus", None], ROWS),
        "active": RANDOM.random(ROWS) < 0.4,
        "churned": RANDOM.random(ROWS) < 0.2,
    }
)
CURRENT = REFERENCE.assign(fee=REFERENCE.fee + 1.0, churned=True)


def compared(reference: Any = REFERENCE, current: Any = CURRENT, **options: Any) -> Any:
    return driftgate.compare(reference, current, key="id", label="churned", **options)


def test_what_moved_is_found_and_nothing_else() -> None:
    found = compared()
    assert found.drifted == ("fee",) and found.drift_share == pytest.approx(1 / 3) and found.is_drifted
    assert found.columns[0].name == "fee"
    assert str(found) == "1 of 3 features drifted (share 0.33, threshold 0.30): fee"
    assert not compared(current=REFERENCE).is_drifted
    assert not compared(threshold=0.5).is_drifted


def test_every_kind_of_table_gives_the_same(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(CURRENT, preserve_index=False)
    pq.write_table(table, tmp_path / "current.parquet")
    expected = compared().to_dict()
    for current in (
        table,
        tmp_path / "current.parquet",
        str(tmp_path / "current.parquet"),
        ibis.memtable(CURRENT),
        CURRENT.astype({"plan": "category"}),
        CURRENT.sample(frac=1, random_state=1),
    ):
        assert compared(current=current).to_dict() == expected


def test_the_result_as_json_and_as_a_frame() -> None:
    found = compared(current=CURRENT.drop(columns="plan"))
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["drifted"] == ["plan", "fee"] and content["columns"][0]["state"] == "missing"
    frame = found.to_pandas()
    assert frame.name.tolist() == ["plan", "fee", "active"] and frame.drifted.tolist() == [True, True, False]


def test_a_notebook_shows_names_escaped() -> None:
    page = driftgate.compare(pd.DataFrame({"<b>": range(200)}), pd.DataFrame({"<b>": range(200)}))._repr_html_()
    assert "&lt;b&gt;" in page and "<b>" not in page and "0 of 1 features drifted" in page


def test_columns_of_other_types() -> None:
    days = date(2024, 1, 31), date(2024, 2, 29)
    sides = [
        pa.table(
            {
                "seen": [datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=n) for n in range(300)],
                "vector": pa.array([[float(n), 1.0] for n in range(300)]),
                "blob": [b"x"] * 300,
            }
        )
        for day in days
    ]
    states = {item.name: item.state for item in driftgate.compare(*sides, as_of=days).columns}
    assert states == {
        "seen": ColumnState.COMPARED, "vector": ColumnState.COMPARED, "blob": ColumnState.UNSUPPORTED
    }  # fmt: skip
    assert driftgate.compare(*sides, as_of=days).drifted == ("blob",)
    assert {item.name: item.state for item in driftgate.compare(*sides).columns}["seen"] is ColumnState.UNSUPPORTED


def test_a_rule_names_method_and_threshold() -> None:
    (fee,) = [
        item for item in compared(rules={"fee": {"method": "ks", "threshold": 0.01}}).columns if item.name == "fee"
    ]
    assert (fee.method, fee.threshold) == ("ks", 0.01) and math.isnan(fee.p_value)
    with pytest.raises(ConfigurationError, match="fees"):
        compared(rules={"fees": {"threshold": 0.1}})


def test_a_column_without_a_value_takes_its_type_from_the_other_table() -> None:
    reference = pd.DataFrame({"f": [None] * 200, "g": range(200)})
    found = driftgate.compare(reference, pd.DataFrame({"f": np.arange(200.0), "g": range(200)}))
    assert {item.name: item.state for item in found.columns} == {
        "f": ColumnState.ALL_NULL, "g": ColumnState.COMPARED
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (({"fee": [1]}, CURRENT), UsageError, "reference is of type dict"),
        ((REFERENCE, REFERENCE.iloc[:0]), DataError, "current has no rows"),
        ((REFERENCE[["id", "churned"]], CURRENT[["id", "churned"]]), DataError, "no feature"),
        ((REFERENCE, CURRENT.drop(columns="id")), UsageError, "key is 'id'"),
        (("/nowhere.parquet", CURRENT), DataError, "reference cannot be read from /nowhere.parquet"),
        ((REFERENCE, __file__), DataError, "current cannot be read from"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments: tuple[Any, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        compared(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"threshold": 1.5}, UsageError, "threshold 1.5 is not a share"),
        ({"false_alarm_rate": 0.0}, ConfigurationError, "false_alarm_rate: "),
        ({"rules": {"fee": {"treshold": 1}}}, ConfigurationError, "columns.fee.treshold: "),
        ({"rules": {"fee": {"method": "magic"}}}, ConfigurationError, "columns.fee.method: "),
    ],
)
def test_a_wrong_option_is_named_with_what_to_do(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        compared(**options)
    assert "Next:" in str(caught.value)
