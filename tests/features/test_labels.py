"""The labels of a period: joined on key and period alone, and never made up."""

import math
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from driftgate.errors import ConfigurationError, DataError
from driftgate.features.entities import measure_month
from driftgate.features.labels import LABEL_COLUMN, LabelMonth, read_labels
from driftgate.measures import LabelKind
from driftgate.monitors import EntitySource, Label, Monitor
from tests.features.conftest import offline_on, sql

JAN, FEB = date(2024, 1, 31), date(2024, 2, 29)

THINGS = """
CREATE TABLE things AS SELECT 'u' || n AS id, day AS at FROM generate_series(1, 4) n,
    (VALUES (date '2024-01-31'), ('2024-02-29')) d (day);
CREATE TABLE labels (id text, period date, yes boolean, amount double precision, exact numeric(9, 2), small smallint,
    word text, at timestamptz);
"""


@pytest.fixture
def engine(database: Engine) -> Engine:
    sql(database, THINGS)
    return database


def fill(engine: Engine, *rows: str) -> None:
    sql(engine, f"INSERT INTO labels (id, period, yes, amount, at) VALUES {', '.join(rows)}")


def labels_of(
    engine: Engine,
    month: date,
    out: Path,
    column: str = "yes",
    timestamp: str | None = "period",
    share: float = 0.1,
    **other: object,
) -> tuple[LabelMonth, list[object]]:
    label = Label(table="labels", column=column, timestamp=timestamp, **other)  # type: ignore[arg-type]
    monitor = Monitor(
        name="m",
        entity=EntitySource(table="things", key="id", timestamp="at", join_key="thing"),
        feature_service="s",
        label=label,
        min_rows=2,
        max_report_rows=1000,
        min_label_share=share,
    )
    with offline_on(engine) as offline:
        answer = read_labels(offline, monitor, measure_month(offline, monitor, month), out / "labels.arrow")
    if answer.path is None:
        return answer, []
    with pa.memory_map(str(answer.path)) as source:
        return answer, sorted(pa.ipc.open_file(source).read_all().column(LABEL_COLUMN).to_pylist())


def test_a_boolean_label(engine: Engine, tmp_path: Path) -> None:
    fill(engine, *(f"('u{n}', '2024-01-31', {n == 1}, {n}, NULL)" for n in range(1, 5)))
    answer, values = labels_of(engine, JAN, tmp_path)
    assert values == [False, False, False, True]
    assert (answer.kind, answer.mean, answer.entities, answer.labelled, answer.reason) == (
        LabelKind.BOOLEAN,
        0.25,
        4,
        4,
        "",
    )


@pytest.mark.parametrize("column", ["amount", "exact", "small"])
def test_a_numeric_label(engine: Engine, tmp_path: Path, column: str) -> None:
    fill(engine, *(f"('u{n}', '2024-01-31', NULL, {n}, NULL)" for n in range(1, 5)))
    sql(engine, "UPDATE labels SET exact = amount, small = amount")
    answer, values = labels_of(engine, JAN, tmp_path, column)
    assert values == [1.0, 2.0, 3.0, 4.0]
    assert (answer.kind, answer.mean) == (LabelKind.NUMERIC, 2.5)


@pytest.mark.parametrize(
    ("amounts", "kind", "constant", "mean", "values"),
    [
        ("0, 1, 1, 0", LabelKind.BOOLEAN, "", 0.5, [False, False, True, True]),
        ("0, 1, 1, 0.5", LabelKind.NUMERIC, "", 0.625, [0.0, 0.5, 1.0, 1.0]),
        ("0, 0, 0, 0", LabelKind.NUMERIC, "0", 0.0, [0.0] * 4),
        ("8.25, 8.25, NULL, 8.25", LabelKind.NUMERIC, "8.25", 8.25, [8.25] * 3),
        ("-3, NULL, NULL, 1e9", LabelKind.NUMERIC, "", 499999998.5, [-3.0, 1e9]),
    ],
    ids=["zero and one", "shares", "zeros", "constant with nulls", "nulls"],
)
def test_what_a_number_is(
    engine: Engine, tmp_path: Path, amounts: str, kind: LabelKind, constant: str, mean: float, values: list[object]
) -> None:
    rows = [f"('u{n}', '2024-01-31', NULL, {amount}, NULL)" for n, amount in enumerate(amounts.split(", "), start=1)]
    fill(engine, *rows)
    answer, found = labels_of(engine, JAN, tmp_path, "amount")
    assert (answer.kind, answer.constant, answer.mean, found) == (kind, constant, mean, values)
    assert (answer.entities, answer.labelled) == (4, len(values))
    assert answer.largest == (0.0 if kind is LabelKind.BOOLEAN else max(abs(value) for value in values))  # type: ignore[arg-type]


def test_text_is_a_label_of_classes(engine: Engine, tmp_path: Path) -> None:
    rows = ", ".join(f"('u{n}', '2024-01-31', '{word}')" for n, word in enumerate(("on time", "late", "late"), start=1))
    sql(engine, f"INSERT INTO labels (id, period, word) VALUES {rows}")
    answer, values = labels_of(engine, JAN, tmp_path, "word")
    assert values == ["late", "late", "on time"] and math.isnan(answer.mean)
    assert (answer.kind, answer.classes, answer.constant, answer.reason) == (LabelKind.CATEGORICAL, 2, "", "")
    assert answer.class_counts == (("late", 2), ("on time", 1)) and answer.too_many_classes == ""
    sql(engine, "UPDATE labels SET word = 'late'")
    answer, _ = labels_of(engine, JAN, tmp_path, "word")
    assert (answer.classes, answer.constant, answer.class_counts) == (1, "late", (("late", 3),))


def test_more_than_fifty_classes_are_said_and_not_counted(engine: Engine, tmp_path: Path) -> None:
    sql(engine, "INSERT INTO things SELECT 'u' || n, date '2024-01-31' FROM generate_series(5, 51) n")
    sql(engine, "INSERT INTO labels (id, period, word) SELECT id, at, id FROM things WHERE at = '2024-01-31'")
    answer, _ = labels_of(engine, JAN, tmp_path, "word")
    assert (answer.classes, answer.class_counts) == (51, ())
    assert answer.too_many_classes == "the label of 2024-01-31 has 51 classes, and up to 50 are measured"


def test_a_label_of_another_type_is_refused(engine: Engine, tmp_path: Path) -> None:
    sql(engine, "INSERT INTO labels VALUES ('u1', '2024-01-31', NULL, NULL, NULL, NULL, 'yes', now())")
    with pytest.raises(ConfigurationError, match=r"labels\.at is of type") as caught:
        labels_of(engine, JAN, tmp_path, "at")
    assert "boolean, a number, or text" in caught.value.allowed


@pytest.mark.parametrize("wrong", [{"column": "maybe"}, {"timestamp": "when"}, {"key": "name"}])
def test_a_column_that_is_not_there_is_a_matter_of_configuration(
    engine: Engine, tmp_path: Path, wrong: dict[str, str]
) -> None:
    fill(engine, "('u1', '2024-01-31', true, 1, NULL)")
    with pytest.raises(ConfigurationError, match=next(iter(wrong.values()))):
        labels_of(engine, JAN, tmp_path, **wrong)


def test_a_period_without_labels_is_not_a_number_with_a_reason(engine: Engine, tmp_path: Path) -> None:
    fill(engine, "('u1', '2024-01-31', true, 1, NULL)", "('u1', '2024-02-29', NULL, NULL, NULL)")
    answer, values = labels_of(engine, FEB, tmp_path)
    assert math.isnan(answer.mean) and values == []
    assert (answer.labelled, answer.path) == (0, None)
    assert "2024-02-29" in answer.reason and "labels" in answer.reason


def test_an_empty_label_table_is_not_a_number_with_a_reason(engine: Engine, tmp_path: Path) -> None:
    answer, _ = labels_of(engine, JAN, tmp_path)
    assert math.isnan(answer.mean) and "no labels" in answer.reason


def test_labels_that_are_not_keyed_by_period_are_not_a_number_with_a_reason(engine: Engine, tmp_path: Path) -> None:
    fill(engine, *(f"('u{n}', NULL, true, 1, NULL)" for n in range(1, 5)))
    answer, _ = labels_of(engine, JAN, tmp_path, timestamp=None)
    assert math.isnan(answer.mean) and answer.path is None
    assert "not keyed by period" in answer.reason


def test_labels_of_another_period_never_leak(engine: Engine, tmp_path: Path) -> None:
    sql(engine, "INSERT INTO things VALUES ('u5', '2024-01-31'), ('u5', '2024-02-29')")
    fill(
        engine,
        "('u5', '2024-01-31', true, 1, NULL)",
        "('u5', '2024-02-29', false, 0, NULL)",
        "('u1', '2024-01-31', true, 1, NULL)",
        "('u1', '2024-02-29', false, 0, NULL)",
        "('u2', '2024-01-30', true, 1, NULL)",
        "('u3', '2024-02-01', true, 1, NULL)",
        "('u4', NULL, true, 1, NULL)",
        "('stranger', '2024-01-31', true, 1, NULL)",
    )
    january, values = labels_of(engine, JAN, tmp_path)
    assert (january.labelled, january.mean, values) == (2, 1.0, [True, True])
    february, values = labels_of(engine, FEB, tmp_path)
    assert (february.labelled, february.mean, values) == (2, 0.0, [False, False])


def test_some_labels_are_enough_and_counted(engine: Engine, tmp_path: Path) -> None:
    fill(
        engine,
        "('u1', '2024-01-31', true, 1, NULL)",
        "('u2', '2024-01-31', false, 0, NULL)",
        "('u3', '2024-01-31', NULL, NULL, NULL)",
    )
    answer, values = labels_of(engine, JAN, tmp_path)
    assert (answer.entities, answer.labelled, answer.mean, values) == (4, 2, 0.5, [False, True])


@pytest.mark.parametrize(("labels", "words"), [(0, "pending, 0% labelled: no labels"), (3, "pending, 75% labelled")])
def test_too_few_labels_are_pending_and_never_a_number(engine: Engine, tmp_path: Path, labels: int, words: str) -> None:
    if labels:
        fill(engine, *(f"('u{n}', '2024-01-31', true, 1, NULL)" for n in range(labels)))
        sql(engine, "UPDATE labels SET id = 'u4' WHERE id = 'u0'")
    answer, values = labels_of(engine, JAN, tmp_path, share=0.9)
    assert answer.pending and answer.reason.startswith(words)
    assert math.isnan(answer.mean) and (answer.labelled, values) == (labels, [])


def test_a_label_that_never_comes_is_not_waited_for(engine: Engine, tmp_path: Path) -> None:
    sql(
        engine,
        "ALTER TABLE things ADD flown boolean; UPDATE things SET flown = id IN ('u1', 'u2') WHERE at < '2024-02-01'",
    )
    fill(engine, "('u1', '2024-01-31', true, 1, NULL)")
    answer, _ = labels_of(engine, JAN, tmp_path, share=0.9)
    assert answer.pending and answer.reason == "pending, 25% labelled"
    answer, _ = labels_of(engine, JAN, tmp_path, share=0.9, expected="flown")
    assert (answer.pending, answer.expected, answer.reason) == (True, 2, "pending, 50% labelled")
    fill(engine, "('u2', '2024-01-31', false, 0, NULL)")
    answer, values = labels_of(engine, JAN, tmp_path, share=0.9, expected="flown")
    assert (answer.pending, answer.labelled, answer.labelled_share, values) == (False, 2, 1.0, [False, True])
    # Of February nothing says that any gets one.
    answer, _ = labels_of(engine, FEB, tmp_path, share=0.9, expected="flown")
    assert not answer.pending and answer.reason == "no entity of 2024-02-29 gets a label, by flown"
    with pytest.raises(ConfigurationError, match=r"label\.expected is 'id', and things\.id is of type") as caught:
        labels_of(engine, JAN, tmp_path, expected="id")
    assert "boolean" in caught.value.allowed
    answer, _ = labels_of(engine, JAN, tmp_path, share=0.9, expected="flown != false")
    assert (answer.pending, answer.expected, answer.labelled) == (False, 2, 2)


YEAR = [date(2023, month, 28) for month in range(1, 13)]


def past(engine: Engine, *labelled: int) -> None:
    """Ten entities in each month from 2023-01-28 on, of which so many have a label."""
    sql(engine, "DELETE FROM things; DELETE FROM labels")
    for month, count in zip(YEAR, labelled, strict=False):
        sql(engine, f"INSERT INTO things SELECT 'u' || n, date '{month}' FROM generate_series(1, 10) n")
        if count:
            fill(engine, *(f"('u{n}', '{month}', {n % 2 == 0}, {n}, NULL)" for n in range(1, count + 1)))


def test_what_share_gets_a_label_is_learnt_from_past_months(engine: Engine, tmp_path: Path) -> None:
    past(engine, 8, 8, 7, 2, 7)
    answer, _ = labels_of(engine, YEAR[4], tmp_path, share=0.9)
    assert answer.pending and answer.reason == "pending, 70% labelled"
    answer, _ = labels_of(engine, YEAR[4], tmp_path, share=0.9, expected="learnt")
    assert answer.pending and (answer.expected, answer.reason) == (8, "pending, 87% labelled")
    fill(engine, f"('u8', '{YEAR[4]}', true, 1, NULL)")
    answer, values = labels_of(engine, YEAR[4], tmp_path, share=0.9, expected="learnt")
    assert (answer.pending, answer.expected, answer.labelled_share, len(values)) == (False, 8, 1.0, 8)


@pytest.mark.parametrize(
    ("labelled", "expected"),
    [
        ((8, 8, 8, 5), 10),
        ((8, 8, 0, 8, 5), 10),
        ((8, 8, 0, 8, 8, 5), 8),
        ((5, 7, 8, 0, 5), 7),
        ((0, 0, 0, 0, 5), 10),
    ],
    ids=["only two are older than the last", "one never had any", "three with labels", "the median", "none"],
)
def test_too_few_past_months_tell_nothing(
    engine: Engine, tmp_path: Path, labelled: tuple[int, ...], expected: int
) -> None:
    past(engine, *labelled)
    answer, _ = labels_of(engine, YEAR[len(labelled) - 1], tmp_path, share=0.9, expected="learnt")
    assert answer.pending and answer.expected == expected


def test_labels_of_strangers_and_of_other_days_teach_nothing(engine: Engine, tmp_path: Path) -> None:
    past(engine, 5, 5, 5, 5, 4)
    fill(engine, *(f"('stranger{n}', '{month}', true, 1, NULL)" for n in range(9) for month in YEAR[:4]))
    fill(engine, *(f"('u{n}', '2023-01-29', true, 1, NULL)" for n in range(6, 10)))
    fill(engine, "('u1', '2023-01-28', true, 1, NULL)", "('u9', '2023-02-28', NULL, NULL, NULL)")
    answer, _ = labels_of(engine, YEAR[4], tmp_path, share=0.9, expected="learnt")
    assert (answer.expected, answer.pending) == (5, True)


def test_two_labels_for_one_period_are_refused(engine: Engine, tmp_path: Path) -> None:
    fill(engine, "('u1', '2024-01-31', true, 1, NULL)", "('u1', '2024-01-31', false, 0, NULL)")
    with pytest.raises(DataError, match="1 entities have more than one label"):
        labels_of(engine, JAN, tmp_path)


def test_two_labels_of_a_stranger_are_nobodys_business(engine: Engine, tmp_path: Path) -> None:
    fill(engine, "('u1', '2024-01-31', true, 1, NULL)", *["('stranger', '2024-01-31', true, 1, NULL)"] * 2)
    assert labels_of(engine, JAN, tmp_path)[0].labelled == 1


def test_the_period_of_a_timestamp_is_its_day_in_utc(engine: Engine, tmp_path: Path) -> None:
    fill(
        engine,
        "('u1', NULL, true, 1, '2024-02-01 08:59+09')",
        "('u2', NULL, true, 1, '2024-02-01 09:00+09')",
        "('u3', NULL, true, 1, '2024-01-30 19:00-05')",
    )
    assert labels_of(engine, JAN, tmp_path, timestamp="at")[0].labelled == 2


def test_a_label_table_with_another_key_name(engine: Engine, tmp_path: Path) -> None:
    fill(engine, "('u1', '2024-01-31', true, 1, NULL)")
    sql(engine, 'ALTER TABLE labels RENAME COLUMN id TO "Customer Id"')
    assert labels_of(engine, JAN, tmp_path, key="Customer Id")[0].labelled == 1


def test_a_label_that_is_no_number_is_refused(engine: Engine, tmp_path: Path) -> None:
    fill(engine, "('u1', '2024-01-31', true, 'NaN', NULL)", "('u2', '2024-01-31', true, 1, NULL)")
    with pytest.raises(DataError, match="NaN or infinity"):
        labels_of(engine, JAN, tmp_path, "amount")


def test_a_monitor_without_a_label(engine: Engine, tmp_path: Path) -> None:
    monitor = Monitor(name="m", entity=EntitySource(table="things", key="id", timestamp="at"), feature_service="s")
    with offline_on(engine) as offline:
        answer = read_labels(offline, monitor, measure_month(offline, monitor, JAN), tmp_path / "labels.arrow")
    assert math.isnan(answer.mean) and answer.reason == "the monitor has no label"


def test_where_entities_are_sampled_the_rate_is_of_all_and_the_file_of_the_sample(
    database: Engine, tmp_path: Path
) -> None:
    sql(
        database,
        "CREATE TABLE things AS SELECT n AS id, date '2024-01-31' AS at FROM generate_series(1, 3000) n;"
        "CREATE TABLE labels AS SELECT id, at AS period, id <= 900 AS yes FROM things",
    )
    answer, values = labels_of(database, JAN, tmp_path)
    assert (answer.entities, answer.labelled, answer.mean) == (3000, 3000, 0.3)
    assert len(values) == 1000
    assert 250 < values.count(True) < 350
