"""Whom a server of ours answers: who asks for this machine, and no page with a name of its own that leads here."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.hosts import OwnHosts, host_names, hosts_of, is_for_us, is_own_host

NAMES = host_names("api, Churn.Example.com.,proxy:8443,,")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:8000",
        "192.0.2.7:1",
        "api",
        "api:8000",
        "churn.example.com",
        "CHURN.example.com.:443",
        "proxy",
    ],
)
def test_this_machine_is_answered(host: str) -> None:
    assert is_own_host(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "rebound.example:8000",
        "localhost.example",
        "127.0.0.1.example",
        "apiary",
        "xapi",
        "example.com",
        "[rebound.example]",
        "api@rebound.example",
        "a,api",
        "127.0.0.1:80:rebound.example",
        "[::1].example:80",
        "*",
        ":rebound.example",
        ":",
        ":80",
        "api:rebound.example",
        "[fe80::1%rebound.example]",
        "[fe80::1%rebound.example]:80",
        "127.0.0.1%rebound.example",
    ],
)
def test_another_name_is_not(host: str) -> None:
    assert not is_own_host(host, NAMES)


@given(st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z]{2,8}){1,3}", fullmatch=True), st.integers(1, 65535))
def test_no_name_is_known_that_is_not_listed_and_each_is_that_is(name: str, port: int) -> None:
    assert not is_own_host(f"{name}:{port}")
    assert is_own_host(f"{name}:{port}", host_names(f"api,{name.upper()}"))


@given(st.ip_addresses())
def test_every_address_is_known(address: Any) -> None:
    assert is_own_host(f"[{address}]:80" if address.version == 6 else f"{address}:80")


@given(st.text())
def test_no_text_beside_a_name_is_let_through_for_the_name_it_ends_or_begins_with(text: str) -> None:
    assert not is_own_host(f"{text}:rebound.example", NAMES)
    assert not is_own_host(f"[fe80::1%{text}]")


def test_a_second_header_is_refused_whatever_it_says() -> None:
    assert is_for_us([]) and is_for_us(["api"], NAMES)
    for hosts in (["api", "rebound.example"], ["rebound.example", "api"], ["api", "api"], ["", "rebound.example"]):
        assert not is_for_us(hosts, NAMES)
    assert hosts_of([(b"host", b"api"), (b"accept", b"*/*"), (b"host", b"rebound.example")]) == [
        "api",
        "rebound.example",
    ]


@pytest.mark.parametrize(("host", "kinds"), [(b"api", ["passed"]), (b"rebound.example", ["websocket.close"])])
def test_a_websocket_is_held_to_the_same(host: bytes, kinds: list[str]) -> None:
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "passed"})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"host", host)]}
    asyncio.run(OwnHosts(app, NAMES)(scope, lambda: asyncio.sleep(0, {}), send))
    assert [message["type"] for message in sent] == kinds
