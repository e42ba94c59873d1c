"""Which hosts a connection is tried at, one after the other, and what is said when none can be reached."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import asyncpg
import pytest

from db import connecting
from db.address import DatabaseUnreachable
from db.connecting import SESSION, attempts, connect

_HERE = "127.0.0.1"


@pytest.fixture
def ports() -> Iterator[list[int]]:
    """Two ports at which nobody answers."""
    with ExitStack() as held:
        bound = [held.enter_context(socket.socket()) for _ in range(2)]
        for one in bound:
            one.bind((_HERE, 0))
        yield [one.getsockname()[1] for one in bound]


async def test_one_host_is_not_named_in_front_of_its_trouble(ports: list[int]) -> None:
    with pytest.raises(DatabaseUnreachable) as raised:
        await connect(host=[_HERE], port=ports[0], ssl=False)
    assert not str(raised.value).startswith(_HERE)
    assert str(ports[0]) in str(raised.value)


async def test_each_of_several_hosts_is_named_with_its_trouble(ports: list[int]) -> None:
    with pytest.raises(DatabaseUnreachable) as raised:
        await connect(host=[_HERE, _HERE], port=ports, ssl=False)
    troubles = str(raised.value).split("; ")
    assert [trouble.partition(": ")[0] for trouble in troubles] == [f"{_HERE}:{port}" for port in ports]


def _tried(**arguments: object) -> list[tuple[str, object, object, object]]:
    return [
        (where, one.get("host"), one.get("port"), one.get("target_session_attrs")) for where, one in attempts(arguments)
    ]


@pytest.mark.parametrize("hosts", ({}, {"host": None}, {"host": []}, {"host": ["a"], "port": 7}))
def test_a_single_host_is_left_to_the_driver(hosts: dict[str, object]) -> None:
    assert list(attempts(hosts | {"user": "u"})) == [("", hosts | {"user": "u"})]


def test_several_hosts_have_a_port_each_or_the_same() -> None:
    assert _tried(host=["a", "b"]) == [("a:5432", "a", 5432, "any"), ("b:5432", "b", 5432, "any")]
    assert _tried(host=["a", "b"], port=7) == [("a:7", "a", 7, "any"), ("b:7", "b", 7, "any")]
    assert _tried(host=["a", "b"], port=[7, 8]) == [("a:7", "a", 7, "any"), ("b:8", "b", 8, "any")]
    with pytest.raises(ValueError, match="zip"):
        _tried(host=["a", "b"], port=[7, 8, 9])


def test_a_standby_that_is_preferred_is_looked_for_at_every_host_first() -> None:
    assert [(where, kind) for where, _, _, kind in _tried(host=["a", "b"], target_session_attrs="prefer-standby")] == [
        ("a:5432", "standby"), ("b:5432", "standby"), ("a:5432", "any"), ("b:5432", "any")
    ]  # fmt: skip
    wanted = _tried(host=["a", "b"], target_session_attrs="read-write")
    assert [kind for _, _, _, kind in wanted] == ["read-write"] * 2


@pytest.mark.parametrize(
    ("hosts", "error", "kind", "words"),
    (
        (1, asyncpg.CannotConnectNowError("starting up"), asyncpg.CannotConnectNowError, "starting up"),
        (1, ConnectionRefusedError("refused"), DatabaseUnreachable, "refused"),
        (1, TimeoutError(), DatabaseUnreachable, "TimeoutError"),
        (2, asyncpg.CannotConnectNowError("starting up"), DatabaseUnreachable, "h0:1: starting up; h1:1: starting up"),
        (2, TimeoutError(), DatabaseUnreachable, "h0:1: TimeoutError; h1:1: TimeoutError"),
        (2, asyncpg.InvalidPasswordError("no"), asyncpg.InvalidPasswordError, "no"),
    ),
)
async def test_the_trouble_of_each_host_is_told(
    monkeypatch: pytest.MonkeyPatch, hosts: int, error: Exception, kind: type[Exception], words: str
) -> None:
    async def refused(**_: object) -> None:
        raise error

    monkeypatch.setattr(asyncpg, "connect", refused)
    with pytest.raises(kind) as raised:
        await connect(host=[f"h{number}" for number in range(hosts)], port=1)
    assert str(raised.value) == words


async def test_whoever_asks_may_pause_and_is_limited_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    made, set_up = object(), []

    async def noted(**arguments: object) -> object:
        told.update(arguments)
        return made

    async def read_instants(connection: object) -> None:
        set_up.append(connection)

    monkeypatch.setattr(connecting, "connect", noted)
    monkeypatch.setattr(connecting, "read_instants", read_instants)
    assert await connecting.connect_to_ask("postgresql://db/x") is made
    assert set_up == [made]
    settings = told["server_settings"]
    assert settings.items() >= (SESSION | {"idle_in_transaction_session_timeout": "10min"}).items() - {
        ("transaction_timeout", "60s")
    }
    assert settings["transaction_timeout"] == "0"
