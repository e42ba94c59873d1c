"""What is overdue, unpublished, or waits for somebody, held against what a reader of the rows would say."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.watching import Overdue, first_after, overdue, unpublished_age, waiting_dead_letters
from domain.messages import DueKind
from schemas.records import DeadLetterReason
from workers.runtime.looking import AgeLook
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role

_HOUR = timedelta(hours=1)
_PENDING_BINDINGS = (
    ("a", 1, "Scheduled", -2), ("b", 1, "Scheduled", -1), ("c", 1, "Scheduled", 1),
    ("a", 2, "Waiting", -2), ("b", 2, "Waiting", 1), ("b", 3, "Waiting", -9), ("d", 1, "Waiting", -1),
    ("e", 1, "Waiting", -1), ("e", 2, "Waiting", -2),
)  # fmt: skip
"""Project, number, kind, and in how many hours it is due."""


async def _now(connection: AsyncConnection) -> datetime:
    now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return now


async def test_nothing_is_overdue_where_nothing_is_there(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        numbers = dict.fromkeys((DueKind.SCHEDULED_BINDING, DueKind.WAITING_BINDING, DueKind.PAYMENT_PROFILE), 0)
        assert await overdue(connection) == Overdue(numbers, 0.0, 0)
        assert await unpublished_age(connection) == 0
        assert await first_after(connection, {0: 0}) is None
        assert set((await waiting_dead_letters(connection)).values()) == {0}


async def test_what_was_published_meanwhile_has_no_age(engine: AsyncEngine) -> None:
    metrics = Metrics((Role.RELAY,))
    async with engine.connect() as connection:
        await AgeLook(metrics).look(connection, {}, left=1)
    assert metrics.registry.get_sample_value("whopays_events_unpublished_age_seconds") == 0


async def test_what_is_due_is_counted_from_the_first_of_it(engine: AsyncEngine) -> None:
    """Of those that wait for the same project only the first counts, however late the others are."""
    async with engine.connect() as connection:
        for oldest in ("Scheduled", "Waiting", "profile"):
            now = await _now(connection)
            for project, number, kind, hours in _PENDING_BINDINGS:
                since = -5 if (kind, project) == (oldest, "a") else hours
                values = {"project": project, "number": number, "kind": kind, "due_at": now + since * _HOUR}
                await connection.execute(_PENDING, values)
            for name, due in (("x", -5 if oldest == "profile" else -2), ("y", -1), ("z", 1), ("never", None)):
                due_at = None if due is None else now + due * _HOUR
                await connection.execute(_PROFILE, {"name": name, "due_at": due_at})
            for number in (1, 2, 3, 4):
                await connection.execute(_FAN_OUT, {"number": number})
            found = await overdue(connection)
            assert (found.numbers, found.fan_outs) == (
                {DueKind.SCHEDULED_BINDING: 2, DueKind.WAITING_BINDING: 3, DueKind.PAYMENT_PROFILE: 2}, 4,
            )  # fmt: skip
            first = now - 5 * _HOUR
            assert (now - first).total_seconds() <= found.seconds <= (await _now(connection) - first).total_seconds()
            await connection.rollback()


async def test_the_first_event_that_is_not_published(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        now = await _now(connection)
        rows = [(0, 1, -9), (0, 2, -3), (1, 1, -2), (2, 6, -4), (2, 5, -8), (3, 1, 5)]
        for shard, position, hours in rows:
            values = {"shard": shard, "position": position, "at": now + hours * _HOUR}
            await connection.execute(_ROW, values)
        await connection.execute(text("UPDATE shards SET begins_after = 5, position = 6 WHERE shard = 2"))
        await connection.execute(text("INSERT INTO published VALUES (0, 1), (3, 0)"))
        first = now - 4 * _HOUR
        age = await unpublished_age(connection)
        assert (now - first).total_seconds() <= age <= (await _now(connection) - first).total_seconds()
        await connection.execute(text("INSERT INTO published VALUES (1, 1), (2, 6)"))
        await connection.execute(text("UPDATE published SET position = 2 WHERE shard = 0"))
        assert await unpublished_age(connection) == 0, "what is said later has no age yet"
        assert await first_after(connection, {0: 0, 1: 0, 2: 4}) == now - 9 * _HOUR
        assert await first_after(connection, {0: 1, 1: 0, 3: 0}) == now - 3 * _HOUR
        assert await first_after(connection, {0: 2, 1: 1}) is None


async def test_dead_letters_wait_until_somebody_has_dealt_with_them(engine: AsyncEngine) -> None:
    discarded, sent, unsent = ("Discarded", False), ("Redriven", True), ("Redriven", False)
    letters = [
        ("Tombstone", []), ("Tombstone", []), ("Tombstone", [discarded]), ("TooLarge", [sent]),
        ("TooLarge", [unsent]), ("TooLarge", [unsent, sent]), ("TooLarge", [sent, unsent]),
        ("InvalidFact", [unsent, discarded]),
    ]  # fmt: skip
    async with engine.connect() as connection:
        for offset, (reason, actions) in enumerate(letters):
            number = (await connection.execute(_LETTER, {"offset": offset, "reason": reason})).scalar_one()
            for ordinal, (action, is_sent) in enumerate(actions, 1):
                values = {"number": number, "ordinal": ordinal, "action": action, "is_sent": is_sent}
                await connection.execute(_ACTION, values)
        found = await waiting_dead_letters(connection)
    assert set(found) == set(DeadLetterReason)
    assert {reason: number for reason, number in found.items() if number} == {
        DeadLetterReason.TOMBSTONE: 2,
        DeadLetterReason.TOO_LARGE: 2,
    }


_PENDING = text(
    """
    INSERT INTO pending_bindings (organization, project, number, kind, due_at, account, command, source, type, origin)
    VALUES ('acme', :project, :number, :kind, :due_at, 'main', '{}', '/shop', 't', '{}')
    """
)
_PROFILE = text(
    """
    INSERT INTO payment_profiles (organization, payment_profile, kind, state, version, due_at, origin)
    VALUES ('acme', :name, 'CreditCard', 'Valid', 1, :due_at, '{}')
    """
)
_FAN_OUT = text("INSERT INTO fan_outs VALUES ('acme', 'main', :number, 'k', 'r', 'm', now(), '', '{}')")
_ROW = text("INSERT INTO log VALUES (:shard, :position, :at, 'notices', NULL, '', '')")
_LETTER = text(
    """
    INSERT INTO dead_letters (topic, partition, "offset", timestamp, reason, detail, recorded_at, size)
    VALUES ('t', 0, :offset, now(), :reason, '', now(), 0) RETURNING number
    """
)
_ACTION = text(
    """
    INSERT INTO dead_letter_actions (number, ordinal, action, by, at, reason, redrive_id, sent_at)
    SELECT :number, :ordinal, :action, 'ada', now(), CASE WHEN NOT is_redriven THEN 'no use' END,
        CASE WHEN is_redriven THEN gen_random_uuid() END, CASE WHEN CAST(:is_sent AS boolean) THEN now() END
    FROM (SELECT CAST(:action AS text) = 'Redriven' AS is_redriven) AS said
    """
)
