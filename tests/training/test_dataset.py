"""The training set: who is in it, what is refused, and its fingerprint."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.errors import DataError
from driftgate.features.files import read_file
from driftgate.features.labels import LABEL_COLUMN, LabelMonth
from driftgate.features.types import DeclaredFeature, FeatureMonth, Kind
from driftgate.measures import LabelKind
from driftgate.training.dataset import KEY, LABEL, TrainingSet, build_training_set, fingerprint, input_columns
from driftgate.training.features import InputKind, ModelFeature, require_features
from driftgate.training.fit import evaluate_model, fit_model
from driftgate.training.split import validation_mask

DAY = date(2024, 1, 31)
DECLARED = (
    DeclaredFeature("tickets", "support", "INT64", Kind.NUMERIC),
    DeclaredFeature("paperless", "profile", "BOOL", Kind.CATEGORICAL),
    DeclaredFeature("service", "profile", "STRING", Kind.CATEGORICAL),
    DeclaredFeature("label", "profile", "FLOAT64", Kind.NUMERIC),
    DeclaredFeature("seen_at", "profile", "UNIX_TIMESTAMP", Kind.TIMESTAMP),
)

Build = Callable[..., TrainingSet]


def write(path: Path, table: pa.Table) -> Path:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def month_table(users: int, order: Sequence[int]) -> pa.Table:
    rows = np.array(order)
    service = [None if row % 5 == 0 else ("DSL", "No")[row % 2] for row in order]
    return pa.table(
        {
            "user_id": [f"U{row:04d}" for row in order],
            "tickets": pa.array(rows % 7, pa.int32(), mask=rows % 6 == 0),
            "paperless": pa.array([None if row % 4 == 0 else row % 3 == 0 for row in order], pa.bool_()),
            "service": service,
            "label": rows / users,
            "seen_at": pa.array([DAY] * users),
        }
    )


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """A training set of 200 users, every tenth without a label."""

    def make(
        order: Sequence[int] = range(200),
        labels: Callable[[int], Any] = lambda row: row % 3 == 0,
        features: dict[str, Any] | None = None,
        table: Callable[[pa.Table], pa.Table] = lambda table: table,
        min_rows: int = 100,
        **month: Any,
    ) -> TrainingSet:
        labelled = [row for row in reversed(order) if row % 10]
        values = pa.table(
            {"user_id": [f"U{row:04d}" for row in labelled], LABEL_COLUMN: [labels(row) for row in labelled]}
        )
        answers = LabelMonth(
            DAY, 200, len(labelled), 0.3, "", LabelKind.BOOLEAN, write(tmp_path / "labels.arrow", values)
        )
        source = write(tmp_path / "features.arrow", table(month_table(200, order)))
        found = FeatureMonth(DAY, source, 200, DECLARED, (), ())
        return build_training_set(
            replace(found, **(features or {})), replace(answers, **month), "user_id", min_rows, tmp_path / "set.arrow"
        )

    return make


def test_users_without_a_label_are_left_out_and_counted(build: Build) -> None:
    data = build()
    assert (data.as_of, data.rows, data.spread, data.unlabelled) == (DAY, 180, "60 of them positive", 20)
    table = read_file(data.path)
    # A feature may itself be called label, and a timestamp is none.
    assert table.column_names == [KEY, LABEL, "tickets", "paperless", "service", "label"]
    keys = table.column(KEY).to_pylist()
    assert keys == sorted(keys) and "U0010" not in keys
    at = keys.index("U0063")
    assert {name: table.column(name)[at].as_py() for name in table.column_names[1:]} == {
        LABEL: 1,
        "tickets": 0,
        "paperless": True,
        "service": "No",
        "label": 63 / 200,
    } | {"tickets": 63 % 7}


def test_the_order_of_rows_changes_nothing_down_to_the_trees(build: Build, tmp_path: Path) -> None:
    seen = []
    for name, order in (("forth", range(200)), ("back", range(199, -1, -1))):
        data = build(order)
        fitted = fit_model(data, 42, tmp_path / f"{name}.pkl")
        evaluation = evaluate_model(data, fitted, "churn", tmp_path / f"{name}.arrow")
        seen.append((data.fingerprint, read_file(evaluation.judged), evaluation.training))
    assert seen[0] == seen[1]
    assert seen[0][2].identity == seen[1][2].identity


def test_evaluation_is_on_users_that_were_held_out(build: Build, tmp_path: Path) -> None:
    data = build()
    evaluation = evaluate_model(data, fit_model(data, 42, tmp_path / "m.pkl"), "churn", tmp_path / "judged.arrow")
    judged, training = read_file(evaluation.judged), evaluation.training
    assert judged.num_rows == 180 == training.train_rows + training.validation_rows
    held_out = judged.column("validation").to_numpy(zero_copy_only=False)
    assert validation_mask(judged.column("key").to_pylist(), 42).tolist() == held_out.tolist()
    assert training.validation_rows == held_out.sum() == sum(part.rows for part in evaluation.calibration)
    assert training.metrics["positive_rate"] == judged.column("label").to_numpy()[held_out].mean()
    assert training.unlabelled_rows == 20


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"min_rows": 181}, "180 entities .* have features and a label, 60 of them positive"),
        ({"labels": lambda row: False}, "180 entities .* 0 of them positive"),
        (
            {"labels": lambda row: f"class {row}", "kind": LabelKind.CATEGORICAL},
            "the label of 2024-01-31 has 180 classes",
        ),
        ({"labels": lambda row: row * 1e300, "kind": LabelKind.NUMERIC}, "a label of 2024-01-31 is 1.99e"),
        ({"labels": lambda row: 8.25, "kind": LabelKind.NUMERIC}, "180 entities .* a label, from 8.25 to 8.25"),
        ({"path": None, "reason": "pending, 40% labelled"}, "pending, 40% labelled"),
        ({"features": {"absent": ("tickets",)}}, "tickets: the source has no such column"),
        ({"features": {"stale_views": ("profile",)}}, "profile: no row of the month"),
        (
            {"features": {"declared": (*DECLARED, DeclaredFeature("raw", "v", "BYTES", Kind.UNSUPPORTED))}},
            "raw: type BYTES is not supported",
        ),
        ({"features": {"declared": DECLARED[-1:]}}, "none is declared"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(build: Build, fault: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        build(**fault)


def test_labels_of_0_and_1_are_as_good_as_booleans(build: Build) -> None:
    assert build(labels=lambda row: float(row % 3 == 0)).fingerprint == build().fingerprint


def test_a_column_of_another_type_is_refused(build: Build) -> None:
    def retype(table: pa.Table) -> pa.Table:
        at = table.column_names.index("tickets")
        return table.set_column(at, "tickets", pa.array(["many"] * 200))

    data = build(table=retype)
    with pytest.raises(DataError, match="tickets is string in its source, and INT64 in Feast"):
        input_columns(read_file(data.path), data.features)


@pytest.mark.parametrize("name", ["tickets", "paperless", "service"])
def test_a_feature_without_any_value_is_refused(build: Build, tmp_path: Path, name: str) -> None:
    def empty(table: pa.Table) -> pa.Table:
        return table.set_column(table.column_names.index(name), name, pa.nulls(200, table.column(name).type))

    with pytest.raises(DataError, match=f"no value for any of the 1.. entities to train on: {name}"):
        fit_model(build(table=empty), 1, tmp_path / "m.pkl")


values = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
        st.one_of(st.none(), st.floats(allow_nan=False)),
        st.one_of(st.none(), st.text(max_size=3)),
        st.one_of(st.none(), st.booleans()),
    ),
    min_size=1,
    max_size=8,
)


def as_table(rows: list[tuple[Any, ...]], integers: Any = None) -> pa.Table:
    integers = integers or pa.int64()
    types = (integers, pa.float64(), pa.string(), pa.bool_())
    columns = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)]
    return pa.table(columns, names=["i", "f", "t", "b"])


@settings(deadline=None)
@given(values, values)
def test_fingerprints_are_equal_where_the_values_are(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> None:
    assert (fingerprint(as_table(one)) == fingerprint(as_table(other))) == (one == other)


@settings(deadline=None)
@given(values, st.data())
def test_a_fingerprint_knows_neither_width_nor_chunks(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    table = as_table(rows)
    cut = data.draw(st.integers(0, len(rows)))
    chunked = pa.concat_tables([table.slice(0, cut), table.slice(cut)]).select(["b", "t", "f", "i"])
    assert fingerprint(as_table(rows, pa.int32())) == fingerprint(table) == fingerprint(chunked)


def test_a_null_is_not_a_zero_and_texts_do_not_run_together() -> None:
    columns = [[0, None], [None, 0], ["a", "b"], ["ab", ""], [None, ""], ["", None], [0.0, None]]
    assert len({fingerprint(pa.table({"x": column})) for column in columns}) == len(columns)
    assert fingerprint(pa.table({"x": [0.0]})) == fingerprint(pa.table({"x": [-0.0]}))


def test_a_month_that_lacks_an_input_of_the_model_is_refused() -> None:
    inputs = [ModelFeature(name, "profile", "INT64", InputKind.NUMBER) for name in ("tickets", "gone", "paperless")]
    month = FeatureMonth(DAY, Path(), 1, DECLARED, ("paperless",), ("support", "unread"))
    with pytest.raises(DataError, match="gone: absent, paperless: absent, support: no row of the month"):
        require_features(inputs, month, "churn version 1")
    require_features(inputs[:1], replace(month, stale_views=("unread",)), "churn version 1")
