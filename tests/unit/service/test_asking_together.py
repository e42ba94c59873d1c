"""What stands between questions and the database: who gathers, who is sent away, and what is not believed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from db.questions.snapshots import Snapshot
from db.reading import ReadingPool
from service import heavy
from service.gathering import Gathering
from service.heavy import Heavy
from service.problems import Problem
from service.snapshots import asking, note

_AT = datetime(2027, 1, 31, tzinfo=UTC)


def _snapshot(position: int, seconds: int | None) -> Snapshot:
    closed = None if seconds is None else _AT + timedelta(seconds=seconds)
    return Snapshot(3, position, closed, _AT)


@pytest.mark.parametrize(
    ("before", "found", "is_believed"),
    (
        ((5, 10), (5, 10), True),
        ((5, 10), (6, 11), True),
        ((5, None), (5, None), True),
        ((5, None), (5, 10), True),
        ((5, 10), (4, 10), False),
        ((5, 10), (6, 9), False),
        ((5, 10), (6, None), False),
    ),
)
def test_a_database_that_knows_less_is_not_believed(before: Any, found: Any, is_believed: bool) -> None:
    known, now = _snapshot(*before), _snapshot(*found)
    state: Any = SimpleNamespace(known={3: known})
    if is_believed:
        note(state, now, known)
        assert state.known[3] is now
    else:
        with pytest.raises(Problem, match="knows less"):
            note(state, now, known)
        # It was asked before more was known: that is not unknown for it.
        note(state, now, None)
        assert state.known[3] is known
    empty: Any = SimpleNamespace(known={})
    note(empty, now, None)
    assert empty.known == {3: now}


async def test_a_database_that_is_away_is_unavailable_and_a_fault_is_one() -> None:
    with pytest.raises(Problem) as unavailable:
        async with asking():
            raise ConnectionRefusedError
    assert unavailable.value.status == 503
    with pytest.raises(Problem, match="none of that"):
        async with asking():
            raise Problem("ResultNotFound", "none of that")
    with pytest.raises(LookupError):
        async with asking():
            raise LookupError


async def test_so_many_heavy_requests_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Heavy(2)
    monkeypatch.setattr(heavy, "_PATIENCE_SECONDS", 0.0)
    for _ in range(2):
        async with places.one(), places.one():
            with pytest.raises(Problem, match="Too many large requests") as refused:
                async with places.one():
                    pass
            assert refused.value.status == 429
            assert refused.value.headers == {"Retry-After": "2"}


class _Connection:
    """A connection that is sound."""

    def is_closed(self) -> bool:
        return False

    def is_in_transaction(self) -> bool:
        return False


class _Asked:
    """What was asked by each statement; `fails` at one of them."""

    def __init__(self, lanes: int) -> None:
        self.statements: list[list[int]] = []
        self.fails = False
        self.goes_on = asyncio.Event()
        self.most = self.at_once = 0
        self.gathering: Gathering[int, int] = Gathering(ReadingPool(self._connect, 10), self._ask, lanes=lanes)

    async def _connect(self) -> Any:
        return _Connection()

    async def _ask(self, _: Any, questions: Sequence[int]) -> Sequence[int]:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.statements.append([*questions])
        await self.goes_on.wait()
        self.at_once -= 1
        if self.fails:
            raise LookupError
        return [10 * one for one in questions]

    async def have_asked(self, *questions: int) -> list[asyncio.Task[int]]:
        tasks = [asyncio.create_task(self.gathering.ask(one)) for one in questions]
        for _ in range(5):
            await asyncio.sleep(0)
        return tasks


async def test_who_asks_meanwhile_is_answered_together() -> None:
    asked = _Asked(lanes=1)
    first = await asked.have_asked(1)
    others = await asked.have_asked(2, 3)
    others[0].cancel()
    asked.goes_on.set()
    assert await asyncio.gather(*first, others[1]) == [10, 30]
    assert asked.statements == [[1], [2, 3]]
    assert await asked.gathering.ask(4) == 40
    assert asked.statements[2:] == [[4]]
    assert await asyncio.gather(*await asked.have_asked(5)) == [50]
    assert asked.gathering._tasks == set(), "what is done is not kept"


async def test_so_many_statements_are_under_way() -> None:
    asked = _Asked(lanes=2)
    tasks = [*await asked.have_asked(1), *await asked.have_asked(2), *await asked.have_asked(3)]
    asked.goes_on.set()
    assert await asyncio.gather(*tasks) == [10, 20, 30]
    assert (asked.most, asked.statements) == (2, [[1], [2], [3]])


async def test_a_fault_is_told_to_those_who_asked_and_others_go_on() -> None:
    asked = _Asked(lanes=1)
    asked.fails = True
    asked.goes_on.set()
    for _ in range(2):
        found = await asyncio.gather(asked.gathering.ask(1), asked.gathering.ask(2), return_exceptions=True)
        assert [type(one) for one in found] == [LookupError, LookupError]
    asked.fails = False
    assert await asked.gathering.ask(3) == 30
