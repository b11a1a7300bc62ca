"""Messages to a real receiver, and that no secret of an address is ever shown."""

import logging
from collections.abc import Iterator

import pytest

from driftgate.errors import ConfigurationError, DriftgateError
from driftgate.notification import require_addresses, send
from flows.runtime.local_server import free_port
from tests.receiver import Receiver, receiving
from tests.reports.runs import monitor


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def test_a_message_reaches_every_address(receiver: Receiver) -> None:
    send(monitor(notify=[receiver.address, receiver.address + "2"]), "churn: February", "Retrain: it has changed.", {})
    assert receiver.titles == ["churn: February"] * 2
    assert receiver.texts == ["Retrain: it has changed."] * 2
    assert receiver.paths == ["/hooks/T0psecret", "/hooks/T0psecret2"]


def test_without_addresses_nothing_is_imported_or_sent() -> None:
    send(monitor(), "title", "text", {})
    require_addresses(monitor(), {})


def test_a_variable_is_filled_in_whole_or_in_part(receiver: Receiver) -> None:
    environment = {"HOOK": receiver.address, "TOKEN": "T0psecret"}
    in_part = f"json://127.0.0.1:{receiver.port}/hooks/${{TOKEN}}"
    send(monitor(notify=["${HOOK}", in_part]), "title", "text", environment)
    assert receiver.paths == ["/hooks/T0psecret"] * 2


@pytest.mark.parametrize("environment", [{}, {"SLACK_URL": ""}])
def test_a_variable_that_is_not_set_is_named_and_no_other_is_shown(environment: dict[str, str]) -> None:
    watched = monitor(notify=["json://host/T0psecret", "${SLACK_URL}"])
    with pytest.raises(ConfigurationError, match="not set: SLACK_URL") as caught:
        require_addresses(watched, environment)
    assert "T0psecret" not in str(caught.value)


def test_an_address_that_apprise_does_not_know_is_numbered_and_not_shown(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    watched = monitor(notify=[receiver.address, "carrier-pigeon://T0psecret"])
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigurationError, match="address number 2") as caught:
        send(watched, "title", "text", {})
    assert receiver.messages == []
    said = "".join(capfd.readouterr()) + caplog.text + str(caught.value)
    assert "T0psecret" not in said


def test_a_failed_delivery_says_why_without_the_secret_and_the_others_are_told(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    nobody = f"json://someone:T0psecret@127.0.0.1:{free_port()}/T0psecret%2Fpath"
    with pytest.raises(DriftgateError, match="1 of 2 addresses") as caught:
        send(monitor(notify=[nobody, receiver.address]), "title", "text", {})
    assert receiver.texts == ["text"]
    assert "number 1 (json)" in str(caught.value)
    said = "".join(capfd.readouterr()) + caplog.text + str(caught.value)
    assert "T0psecret" not in said


def test_a_refusal_is_told_with_its_status(receiver: Receiver) -> None:
    receiver.status = 403
    with pytest.raises(DriftgateError, match="403") as caught:
        send(monitor(notify=[receiver.address]), "title", "text", {})
    assert "T0psecret" not in str(caught.value)


def test_an_address_does_not_show_in_the_monitor() -> None:
    watched = monitor(notify=["json://host/T0psecret"])
    assert "T0psecret" not in f"{watched!r} {watched} {watched.model_dump_json()}"
