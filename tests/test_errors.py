"""The error tree: fields survive a process boundary, messages stay readable, and statuses are those that are drawn."""

import copy
import inspect
import pickle
import re

import pytest

from driftgate import errors
from driftgate.errors import DatabaseUnavailableError, DriftgateError, InvalidMonthError, bounded

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DriftgateError)]
PLAIN = [kind for kind in KINDS if kind is not InvalidMonthError]
DRAWN = {
    name: int(status)
    for name, status in re.findall(r"^[│├└─ ]*(\w+Error)\s+(\d)  ", errors.__doc__ or "", flags=re.MULTILINE)
}


def test_every_kind_but_the_base_is_drawn_with_its_status() -> None:
    assert {kind.__name__ for kind in KINDS} - {"DriftgateError"} == set(DRAWN)
    assert {kind.__name__: kind.exit_code for kind in KINDS if kind is not DriftgateError} == DRAWN
    assert DriftgateError.exit_code == 1


def test_a_kind_is_drawn_below_its_parent() -> None:
    lines = [re.match(r"([│├└─ ]*)(\w+Error)", line) for line in (errors.__doc__ or "").splitlines()]
    path: list[str] = []
    for match in filter(None, lines):
        depth = len(match[1]) // 4
        path[depth:] = [match[2]]
        if depth:
            assert getattr(errors, match[2]).__bases__ == (getattr(errors, path[depth - 1]),)


@pytest.mark.parametrize("kind", KINDS)
def test_only_an_unreachable_database_is_worth_a_retry(kind: type[DriftgateError]) -> None:
    assert kind.transient is (kind is DatabaseUnavailableError)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", PLAIN)
def test_fields_survive_pickling(kind: type[DriftgateError], protocol: int) -> None:
    error = kind("what came", allowed="what may come", remedy="what to do")
    error.add_note("while testing")
    back = pickle.loads(pickle.dumps(error, protocol))
    assert type(back) is kind
    assert (back.received, back.allowed, back.remedy) == ("what came", "what may come", "what to do")
    assert str(back) == str(error) == "what came\n  Allowed: what may come\n  Next: what to do"
    assert back.__notes__ == ["while testing"]
    assert str(copy.deepcopy(error)) == str(error)


def test_the_failures_of_a_month_survive_pickling() -> None:
    error = InvalidMonthError("month_000", ["users.csv: empty", "labels.csv: no such column"])
    back = pickle.loads(pickle.dumps(error))
    assert back.failures == ["users.csv: empty", "labels.csv: no such column"]
    assert str(back) == str(error)
    assert back.args == error.args


def test_what_is_not_said_leaves_no_empty_line() -> None:
    assert str(DriftgateError("only this")) == "only this"
    assert str(DriftgateError("this", remedy="that")) == "this\n  Next: that"


@pytest.mark.parametrize("kind", PLAIN)
def test_a_message_is_bounded_and_still_says_what_to_do(kind: type[DriftgateError]) -> None:
    error = kind("x" * 100_000, allowed="y" * 100_000, remedy="load it again")
    assert len(str(error)) < 5000
    assert "load it again" in str(error)
    assert error.received == "x" * 100_000


def test_a_month_with_countless_failures_has_a_bounded_message_and_all_of_them_as_a_field() -> None:
    error = InvalidMonthError("month_000", [f"users.csv: row {n} {'is wrong ' * 30}" for n in range(1000)])
    assert len(str(error)) < 5000
    assert "1000 failure(s), nothing was written" in str(error)
    assert "a load is safe to repeat" in str(error)
    assert len(error.failures) == 1000


def test_short_failures_are_counted_where_they_are_cut() -> None:
    assert "... (2 more)" in str(InvalidMonthError("m", [f"f{n}" for n in range(42)]))
    assert "more)" not in str(InvalidMonthError("m", [f"f{n}" for n in range(40)]))


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "none"), (1, "0"), (3, "0, 1, 2"), (4, "0, 1, 2, ... (1 more)"), (9, "0, 1, 2, ... (6 more)")],
)
def test_bounded_names_the_first_and_counts_the_rest(count: int, text: str) -> None:
    assert bounded(range(count), limit=3) == text
