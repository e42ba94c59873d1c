"""Payers of very many projects at once, results, events, dead letters and replays."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from db.placing import shard_of
from db.questions.accounts import account, accounts, phases
from db.questions.dead_letters import dead_letters
from db.questions.events import TOPICS, events, first_position
from db.questions.intervals import account_interval_lines
from db.questions.lookups import Wanted, look_up
from db.questions.organizations import organization
from db.questions.pages import After
from db.questions.payers import PayerQuestion, payers
from db.questions.periods import Period
from db.questions.projects import project, projects
from db.questions.replays import replays
from db.questions.results import latest_results, results_of_command
from db.reading import reading_pool
from db.replays import find_replay
from domain.dead_letters import Dead
from embedded import Addresses
from schemas.records import DeadLetterReason, Record
from schemas.results import Outcome
from tests.services.db.storing import KEYS
from tests.services.questions.story import PHASES, RESULTS, SHARD, SHARDS, TICK, asking, day, interval, said_at, tell
from tests.services.questions.test_pages import all_pages
from tests.support.installations import database
from tests.support.letters import keep_letters

_FIRST_RESULT = len(PHASES) + 3
_NAMES = ("web", "api", "again", "off", "late", "idle", "never", "unknown")


async def test_payers_at_once_are_those_that_are_asked_for_one_by_one(told: AsyncEngine) -> None:
    asked = [
        (organization, name, at)
        for at in (day(1) - TICK, day(1), day(2), day(3), day(4), day(5), day(7) - TICK, day(7))
        for organization in ("acme", "globex")
        for name in _NAMES
    ]
    async with asking(told) as (connection, snapshot):
        found = await _at_once(connection, asked, {"acme": snapshot.closed, "globex": None})
        assert list(found[0]) == ["organization", "project", "at", "payer", "known", "settled"]
        assert await _at_once(connection, [], {}) == []
        for (organization, name, at), answer in zip(asked, found, strict=True):
            ((_, alone),) = await payers(connection, [PayerQuestion(snapshot.shard, organization, name, at)])
            assert answer.pop("known") is (alone is not None)
            # Nothing is known of the closed instant of globex.
            assert answer.pop("settled") is (organization == "acme" and at <= day(5))
            nobody = {"organization": organization, "project": name, "at": _text(at), "payer": None}
            expected = alone or nobody
            assert answer == {member: value for member, value in expected.items() if member != "settled"}


async def _at_once(
    connection: Any, asked: Sequence[tuple[str, str, datetime]], closed: Mapping[str, datetime | None]
) -> list[dict[str, Any]]:
    """Return the answers to questions, where so much is closed."""
    organizations, projects_, instants = zip(*asked, strict=True) if asked else ((), (), ())
    shards = [shard_of(organization, SHARDS) for organization in organizations]
    wanted = Wanted(list(organizations), list(projects_), [_text(at) for at in instants], shards)
    of_shards = {shard_of(organization, SHARDS): instant for organization, instant in closed.items()}
    told = [None if (instant := of_shards.get(shard)) is None else _text(instant) for shard in range(SHARDS)]
    found: list[dict[str, Any]] = orjson.loads(b"[%b]" % await look_up(connection, wanted, _text(day(9)), told, ","))
    return found


async def test_ten_thousand_questions_keep_their_order(told: AsyncEngine) -> None:
    asked = [("acme", ("web", "off", "unknown")[place % 3], day(2) + place * TICK) for place in range(10_000)]
    async with asking(told) as (connection, snapshot):
        found = await _at_once(connection, asked, {"acme": snapshot.closed})
    assert [(one["project"], one["at"]) for one in found] == [(name, _text(at)) for _, name, at in asked]
    assert {one["project"]: one["payer"] for one in found} == {
        "web": interval("web", "spare", 2, 2, 3), "off": interval("off", "spare", 1, 2), "unknown": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command_id", "source", "expected"),
    (
        ("c1", None, [("/other", "Rejected", 2), ("/shop", "Waiting", 0)]),
        ("c1", "/shop", [("/shop", "Waiting", 0)]),
        ("c3", None, [("/shop", "Applied", 3)]),
        ("c1", "/unknown", []),
        ("unknown", None, []),
    ),
)
async def test_results_of_a_command(
    told: AsyncEngine, command_id: str, source: str | None, expected: list[tuple[str, str, int]]
) -> None:
    async with asking(told) as (connection, _):
        found = await results_of_command(connection, "acme", command_id, source)
        assert await results_of_command(connection, "globex", command_id, source) == []
    assert [(one["commandSource"], one["outcome"]) for one in found] == [(one[0], one[1]) for one in expected]
    places = [_FIRST_RESULT + place for _, _, place in expected]
    assert [(one["eventId"], one["time"]) for one in found] == [
        (f"{SHARD}-{place}", _text(said_at(place))) for place in places
    ]
    assert all("repeated" not in one for one in found)


@pytest.mark.parametrize(
    ("filters", "expected"),
    (
        ({}, [7, 6, 5, 3, 2, 1, 0]),
        ({"project": "web"}, [7, 5, 1, 0]),
        ({"account": "main"}, [5, 3, 2, 0]),
        ({"outcome": Outcome.APPLIED}, [7, 6, 3]),
        ({"outcome": Outcome.SCHEDULED}, []),
        ({"project": "web", "account": "main"}, [5, 0]),
        ({"project": "web", "account": "main", "outcome": Outcome.UNCHANGED}, [5]),
        ({"project": "web", "outcome": Outcome.REJECTED}, [1]),
        ({"account": "main", "outcome": Outcome.APPLIED}, [3]),
        ({"project": "unknown"}, []),
    ),
)
async def test_latest_results_newest_first(told: AsyncEngine, filters: dict[str, Any], expected: list[int]) -> None:
    found: list[dict[str, Any]] = []
    async with asking(told) as (connection, _):
        for limit in (1, 2, 100):
            found = await all_pages(
                connection,
                lambda on, most, after: latest_results(on, "acme", **filters, limit=most, after=after),
                limit,
            )
            assert [one["eventId"] for one in found] == [f"{SHARD}-{_FIRST_RESULT + place}" for place in expected]
    assert [one["commandId"] for one in found] == [RESULTS[place][0] for place in expected]


async def test_events_by_position(told: AsyncEngine) -> None:
    last = _FIRST_RESULT + len(RESULTS) - 1
    async with asking(told) as (connection, snapshot):
        assert (snapshot.position, await first_position(connection, [SHARD])) == (last, 1)
        every = await events(connection, "acme", after=0, until=last, limit=100)
        assert [event.position for event in every] == list(range(1, last + 1))
        assert [orjson.loads(event.value)["id"] for event in every] == [f"{SHARD}-{n}" for n in range(1, last + 1)]
        for types, expected in (
            (["AccountPhaseChanged"], [1, 2, 3]),
            (["AccountChanged"], [4]),
            (["AccountChanged", "AccountPhaseChanged"], [1, 2, 3, 4]),
            (["AccountChanged", "ProjectBillingNotice"], [4, 5]),
            (["BindingChanged"], []),
            (["CommandCompleted"], list(range(_FIRST_RESULT, last + 1))),
            (list(TOPICS), list(range(1, last + 1))),
        ):
            found = await events(connection, "acme", after=0, until=last, limit=100, types=types)
            assert [event.position for event in found] == expected
        page = await events(connection, "acme", after=2, until=last - 1, limit=3)
        assert [event.position for event in page] == [3, 4, 5]
        assert [event.position for event in await events(connection, "acme", after=2, until=3, limit=9)] == [3]
        assert await events(connection, "globex", after=0, until=last, limit=9) == []


async def test_events_are_kept_from_a_position_on(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE shards SET position = 7"))
        assert await first_position(connection, [SHARD]) == 8
        values = {"shard": SHARD}
        await connection.execute(text("INSERT INTO log VALUES (:shard, 7, now(), 'notices', NULL, 'v', 'h')"), values)
        assert await first_position(connection, [SHARD]) == 7


async def test_of_a_later_range_of_shards_only_what_is_lost_counts(engine: AsyncEngine) -> None:
    former = (SHARD + 1) % SHARDS
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE shards SET begins_after = 7, position = 9 WHERE shard = :s"), {"s": SHARD}
        )
        await connection.execute(text("UPDATE shards SET position = 7 WHERE shard = :s"), {"s": former})
        for shard, position in ((SHARD, 8), (SHARD, 9), (former, 4)):
            row = text("INSERT INTO log VALUES (:shard, :position, now(), 'notices', NULL, 'v', 'h')")
            await connection.execute(row, {"shard": shard, "position": position})
        assert await first_position(connection, [SHARD]) == 1
        assert await first_position(connection, [former, SHARD]) == 4
        await connection.execute(text("DELETE FROM log WHERE position = 8"))
        assert await first_position(connection, [former, SHARD]) == 9


@pytest.fixture
def letters() -> list[Dead]:
    """Three records that could not be answered: of a fact, of nobody, and one with a card number."""
    record = Record("billing.projects", 2, 7, day(1), b"acme", (("a", b"1"), ("b", None)), b"value")
    return [
        Dead(record, DeadLetterReason.INVALID_FACT, "broken", False, "acme", organization="acme"),
        Dead(
            replace(record, offset=8, key=None, value=None), DeadLetterReason.TOMBSTONE, "", False, "billing.projects/2"
        ),
        Dead(
            replace(record, topic="billing.admin-commands"),
            DeadLetterReason.CARD_NUMBER,
            "",
            True,
            "acme",
            organization="acme",
        ),
    ]


async def test_dead_letters_newest_first(engine: AsyncEngine, letters: list[Dead]) -> None:
    async with engine.begin() as connection:
        await keep_letters(connection, letters, day(2), KEYS)
        await connection.execute(text(_ACTED), {"redriven": day(3), "discarded": day(4)})
    async with asking(engine) as (connection, _):
        found, _ = await dead_letters(connection, limit=9)
        for limit in (1, 2, 3):
            paged = await all_pages(
                connection, lambda on, most, after: dead_letters(on, limit=most, after=after), limit
            )
            assert paged == found
        for filters, places in (
            ({"within": ["acme"]}, [0, 2]),
            ({"within": ["acme"], "organization": "acme"}, [0, 2]),
            ({"within": ["acme", "globex"], "organization": "globex"}, []),
            ({"within": ["globex"], "organization": "acme"}, []),
            ({"organization": "acme"}, [0, 2]),
            ({"topic": "billing.projects"}, [1, 2]),
            ({"reason": DeadLetterReason.TOMBSTONE}, [1]),
            ({"organization": "acme", "topic": "billing.projects"}, [2]),
            ({"reason": DeadLetterReason.TOO_LARGE}, []),
        ):
            chosen, _ = await dead_letters(connection, **filters, limit=9)
            assert chosen == [found[place] for place in places]
    card, tombstone, fact = found
    assert fact == {
        "id": "7-1", "time": _text(day(2)), "organization": "acme", "topic": "billing.projects", "partition": 2,
        "offset": 7, "timestamp": _text(day(1)), "reason": "InvalidFact", "detail": "broken",
        "key": b64encode(b"acme").decode(),
        "headers": [{"name": "a", "value": b64encode(b"1").decode()}, {"name": "b", "value": None}], "size": 5,
        "sha256": hashlib.sha256(b"value").hexdigest(), "redriven": _text(day(3)), "discarded": _text(day(4)),
    }  # fmt: skip
    assert [tombstone[name] for name in ("organization", "key", "size", "sha256", "redriven", "discarded")] == [
        None, None, 0, None, None, None,
    ]  # fmt: skip
    assert [card[name] for name in ("id", "key", "headers", "sha256")] == ["7-3", None, None, None]


async def test_replays_newest_first(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for place, name in enumerate(("b", "c", "a", "d")):
            values = {"name": name, "until": day(1), "begun": day(9) if name in "ac" else day(1 + place)}
            await connection.execute(text(_REPLAY), values)
    found: list[str] = []
    after: After | None = None
    async with asking(engine) as (connection, _):
        while True:
            page, after = await replays(connection, limit=1, after=after)
            assert page
            found += [one.name for one in page]
            if after is None:
                break
        assert [one.name for one in (await replays(connection, limit=9))[0]] == found
    assert found == ["c", "a", "d", "b"]


async def test_the_driver_alone_gets_the_same_answers(services: Addresses, template: str, letters: list[Dead]) -> None:
    """The service asks without SQLAlchemy, on sessions that can only read."""
    async with database(services, template) as (_, url):
        engine = create_engine(url)
        try:
            await tell(engine)
            async with engine.begin() as connection:
                await keep_letters(connection, letters, day(2), KEYS)
                await connection.execute(text(_REPLAY), {"name": "one", "until": day(1), "begun": day(2)})
            answers: list[Any] = []
            async with (
                asking(engine) as (of_engine, snapshot),
                reading_pool(url, pool_size=1, statement_seconds=60) as pool,
                pool.acquire() as raw,
                raw.transaction(isolation="repeatable_read", readonly=True),
            ):
                for on in (of_engine, raw):
                    period = Period.of(snapshot, day(2), day(4))
                    lines = [line async for part in account_interval_lines(on, "acme", "main", period) for line in part]
                    answers.append([
                        await organization(on, "acme"), await project(on, "acme", "idle"),
                        await _at_once(on, [("acme", "web", day(2))], {"acme": None}), lines,
                        await projects(on, "acme", at=day(2), limit=9), await accounts(on, "acme", limit=9),
                        await account(on, "acme", "main", with_balance=True), await phases(on, "acme", "main", limit=2),
                        await latest_results(on, "acme", limit=2), await dead_letters(on, limit=9),
                        await replays(on, limit=9), await find_replay(on, "one"),
                    ])  # fmt: skip
            assert answers[0] == answers[1]
        finally:
            await engine.dispose()


_ACTED = """
    INSERT INTO dead_letter_actions (number, ordinal, action, by, at, reason, redrive_id, sent_at)
    SELECT min(number), 1, 'Redriven', 'ada', CAST(:redriven AS timestamptz), NULL, gen_random_uuid(), :redriven
    FROM dead_letters UNION ALL
    SELECT min(number), 2, 'Discarded', 'bob', :discarded, 'of no use', NULL, NULL FROM dead_letters
"""
_REPLAY = """
    INSERT INTO replays (name, selection, target, partitions, until, spans, is_detached, state, begun_at)
    VALUES (:name, '{"organization": "acme"}', :name, 1, :until, '{"7": [0, 9]}', false, 'Running', :begun)
"""


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
