"""Which columns a model reads, and what is said where a month does not have them."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from driftgate.errors import DataError
from driftgate.features.types import DeclaredFeature, FeatureMonth, Kind
from driftgate.training.features import InputKind, model_features, require_features

DECLARED = (
    DeclaredFeature("tickets", "support", "INT64", Kind.NUMERIC),
    DeclaredFeature("paperless", "profile", "Bool", Kind.CATEGORICAL),
    DeclaredFeature("service", "profile", "STRING", Kind.CATEGORICAL),
    DeclaredFeature("moment", "profile", "UNIX_TIMESTAMP", Kind.TIMESTAMP),
)
MONTH = FeatureMonth(date(2024, 2, 29), Path("unread"), 9, DECLARED, (), ())


def test_timestamps_are_no_inputs_and_the_order_stays() -> None:
    found = model_features(MONTH)
    assert [(item.name, item.kind) for item in found] == [
        ("tickets", InputKind.NUMBER),
        ("paperless", InputKind.BOOLEAN),
        ("service", InputKind.CATEGORY),
    ]
    require_features(found, MONTH, "m version 1")


@pytest.mark.parametrize(
    ("month", "words"),
    [
        (replace(MONTH, absent=("tickets",)), "tickets: the source has no such column"),
        (replace(MONTH, stale_views=("profile",)), "profile: no row of the month"),
        (replace(MONTH, declared=()), "none is declared"),
        (replace(MONTH, declared=DECLARED[3:]), "none is declared"),
        (
            replace(MONTH, declared=(DeclaredFeature("b", "v", "BYTES", Kind.UNSUPPORTED),)),
            "b: type BYTES is not supported",
        ),
    ],
)
def test_a_month_that_cannot_train_a_model_says_why(month: FeatureMonth, words: str) -> None:
    with pytest.raises(DataError, match=words):
        model_features(month)


@pytest.mark.parametrize(
    ("month", "words"),
    [
        (replace(MONTH, absent=("service",)), "service: absent"),
        (replace(MONTH, declared=DECLARED[1:]), "tickets: absent"),
        (replace(MONTH, stale_views=("support",)), "support: no row of the month"),
    ],
)
def test_a_month_that_lacks_an_input_is_refused_with_the_model(month: FeatureMonth, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        require_features(model_features(MONTH), month, "m version 1")
    assert "m version 1" in str(caught.value)


def test_what_a_model_does_not_read_may_be_stale_or_absent() -> None:
    inputs = model_features(replace(MONTH, declared=DECLARED[:1]))
    require_features(inputs, replace(MONTH, absent=("service",), stale_views=("profile",)), "m version 1")
