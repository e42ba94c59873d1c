"""What an audit asks of tables: exactly the rows that are wrong, whatever stands beside them."""

from datetime import UTC, datetime, timedelta
from itertools import product

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.audit import lost_rows, misplaced_phases

_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_SHARD = 3


async def test_a_phase_is_where_an_event_of_its_account_is_of_its_instant(engine: AsyncEngine) -> None:
    wrong: dict[str, tuple[int | None, bool]] = {}
    async with engine.connect() as connection:
        for position, (topic, late, key) in enumerate(product(("accounts", "notices"), (0, 1), (True, False)), 1):
            for organization in ("acme", "globex"):
                name = f"a-{position}"
                account = {"organization": organization, "account": name, "position": position, "at": _NOW}
                await connection.execute(_PHASE, account)
                if organization == "acme" and (topic, late, key) != ("accounts", 0, True):
                    wrong[name] = (position, False)
            event = {"shard": _SHARD, "position": position, "topic": topic, "at": _NOW + timedelta(seconds=late)}
            said = f"acme/a-{position if key else 0}".encode()
            await connection.execute(_EVENT, {**event, "key": said, "boundary": "acme"})
        for name, where in (("unknown", None), ("gone", 99)):
            await connection.execute(_PHASE, {"organization": "acme", "account": name, "position": where, "at": _NOW})
            wrong[name] = (where, True)
        found = {
            row["account"]: (row["position"], row["is_missing"]) async for row in misplaced_phases(connection, ["acme"])
        }
        assert found == wrong
        others = [row["organization"] async for row in misplaced_phases(connection, ["globex", "none"])]
        assert others == ["globex"] * 8, "their events are those of another"
        await connection.rollback()


async def test_an_event_is_lost_to_whom_its_organization_is_noted_wrongly(engine: AsyncEngine) -> None:
    rows = (
        ("notices", "acme", b"acme", False), ("notices", "acme", b"acme/web", False), ("notices", None, b"acme", True),
        ("notices", "acme", None, True), ("notices", "acme", b"acmes/web", True), ("notices", "acme", b"acm", True),
        ("notices", "acme", b"acm\xff", True), ("dead-letters", None, b"acme", False),
        ("dead-letters", None, None, False), ("dead-letters", "acme", b"acme", True),
    )  # fmt: skip
    async with engine.connect() as connection:
        for shard, again in ((_SHARD, 1), (_SHARD + 1, 4)):
            for position, (topic, boundary, key, _) in enumerate(rows * again, 1):
                event = {"shard": shard, "position": position, "topic": topic, "at": _NOW}
                await connection.execute(_EVENT, {**event, "key": key, "boundary": boundary})
        lost = [(position, boundary) for position, (_, boundary, _, is_lost) in enumerate(rows, 1) if is_lost]
        assert await lost_rows(connection, _SHARD) == lost
        many = await lost_rows(connection, _SHARD + 1)
        assert many[: len(lost)] == lost
        assert len(many) == 20, "of many the first"
        assert await lost_rows(connection, _SHARD + 2) == []
        await connection.rollback()


_PHASE = text(
    """
    WITH made AS (
        INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds)
        VALUES (:organization, :account, 1, 1, 1, 'Provisioning', '[]', '[]')
    )
    INSERT INTO account_phases
        (organization, account, number, phase, reason, message, "by", caused_by, entered_at, shard, position)
    VALUES (:organization, :account, 1, 'Provisioning', 'Created', '', 'ada', 'c', :at,
        CASE WHEN CAST(:position AS bigint) IS NOT NULL THEN 3 END, :position)
    """
)
_EVENT = text(
    """
    INSERT INTO log (shard, position, recorded_at, topic, key, value, hash, boundary)
    VALUES (:shard, :position, :at, :topic, :key, '', '', :boundary)
    """
)
