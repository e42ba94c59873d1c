"""Connections that are lent to those who only read: how many, which are lent again, and what ends them."""

import asyncio
from typing import Any

import pytest

from db.reading import ReadingPool


class _Connection:
    def __init__(self) -> None:
        self.is_over = self.is_busy = False

    def is_closed(self) -> bool:
        return self.is_over

    def is_in_transaction(self) -> bool:
        return self.is_busy

    def terminate(self) -> None:
        self.is_over = True


class _Server:
    """One that makes connections, unless it is away."""

    def __init__(self, size: int) -> None:
        self.made: list[_Connection] = []
        self.is_away = False
        self.pool = ReadingPool(self._connect, size)

    async def _connect(self) -> Any:
        if self.is_away:
            raise ConnectionRefusedError
        self.made.append(_Connection())
        return self.made[-1]

    @property
    def counts(self) -> tuple[int, int]:
        return self.pool.in_use, self.pool.idle


async def test_the_last_one_used_is_lent_first_and_no_more_than_so_many() -> None:
    server = _Server(2)
    async with server.pool.acquire() as one, server.pool.acquire() as other:
        assert (server.counts, one is other) == ((2, 0), False)
        with pytest.raises(TimeoutError):
            async with server.pool.acquire(wait_seconds=0):
                pass
    assert server.counts == (0, 2)
    async with server.pool.acquire() as again:
        assert (again is one, server.counts) == (True, (1, 1))
    assert len(server.made) == 2


async def test_an_error_is_passed_on_and_ends_nothing() -> None:
    server = _Server(1)
    with pytest.raises(ValueError, match="wrong"):
        async with server.pool.acquire():
            raise ValueError("wrong")
    assert (server.counts, server.made[0].is_over) == ((0, 1), False)


async def test_what_is_left_in_the_middle_of_something_is_ended() -> None:
    server = _Server(1)

    async def ask() -> None:
        async with server.pool.acquire():
            await asyncio.Event().wait()

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (server.counts, server.made[0].is_over) == ((0, 0), True)
    async with server.pool.acquire():
        server.made[1].is_busy = True
    assert (server.counts, server.made[1].is_over) == ((0, 0), True)


async def test_one_that_has_ended_is_replaced() -> None:
    server = _Server(2)
    async with server.pool.acquire(), server.pool.acquire():
        server.made[0].terminate()
    assert server.counts == (0, 1), "one ended while it was lent"
    server.made[1].terminate()
    async with server.pool.acquire() as fresh:
        assert (fresh in server.made[:2], server.counts) == (False, (1, 0)), "the other one ended while it was free"


async def test_a_server_that_is_away_takes_no_room() -> None:
    server = _Server(1)
    server.is_away = True
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            async with server.pool.acquire(wait_seconds=9):
                pass
    server.is_away = False
    async with server.pool.acquire(wait_seconds=9):
        assert server.counts == (1, 0)


async def test_in_the_end_all_are_ended() -> None:
    server = _Server(2)
    async with server.pool.acquire():
        async with server.pool.acquire():
            pass
        server.pool.terminate()
        assert [one.is_over for one in server.made] == [True, True]
        assert server.counts == (0, 0)
