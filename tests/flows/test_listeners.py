"""Listeners of a decision: each is told once, and what one of them fails in is no matter of the others."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from driftgate.errors import DriftgateError
from driftgate.settings import Settings
from tests.reports.runs import finished

if TYPE_CHECKING:
    from flows.listeners import Listener, Outcome

Tell = Callable[["list[Listener]"], None]


@pytest.fixture
def tell(prefect_api: str, environment: object) -> Iterator[Tell]:
    """Tell listeners of a finished run, from within a flow."""
    from prefect import flow

    from flows.listeners import Outcome, tell_listeners

    def call(listeners: "list[Listener]") -> None:
        @flow(name="listening", persist_result=False)
        def listening() -> None:
            tell_listeners(Outcome(finished(), Settings.load(), newest=True, seconds=2.0), listeners)

        listening()

    return call


def test_one_that_fails_is_logged_and_the_others_are_told(tell: Tell, caplog: pytest.LogCaptureFixture) -> None:
    from flows.listeners import Listener

    heard: list[str] = []

    def fail(_: "Outcome") -> None:
        raise OSError("no such chat")

    tell(
        [
            Listener("first", lambda outcome: heard.append(outcome.run.decision.label)),
            Listener("chat", fail),
            Listener("last", lambda outcome: heard.append(f"{outcome.seconds}")),
        ]
    )
    assert heard == ["NO_ACTION", "2.0"]
    (warning,) = [item.getMessage() for item in caplog.records if "the listener 'chat' failed" in item.getMessage()]
    assert "the verdict stands" in warning and "no such chat" in warning


def test_a_required_one_that_fails_ends_the_run_and_those_after_it_are_not_told(tell: Tell) -> None:
    from flows.listeners import Listener

    heard: list[str] = []

    def fail(_: "Outcome") -> None:
        raise DriftgateError("the server is gone")

    with pytest.raises(DriftgateError, match="the server is gone"):
        tell(
            [
                Listener("first", lambda _: heard.append("first")),
                Listener("retraining", fail, required=True),
                Listener("metrics", lambda _: heard.append("metrics")),
            ]
        )
    assert heard == ["first"]


@pytest.mark.usefixtures("prefect_api")
def test_the_metrics_come_last_and_only_the_retraining_is_required() -> None:
    """A success is pushed once there is nothing left that could make the run fail."""
    from flows.listeners import LISTENERS

    assert LISTENERS[-1].name == "metrics"
    assert [item.name for item in LISTENERS if item.required] == ["retraining"]
