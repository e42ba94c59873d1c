"""What is due: exactly what a list of the rows says, longest overdue first, and nothing before its turn."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.timers import due, unfinished_fan_outs
from domain.messages import Due, DueKind

_HOUR = timedelta(hours=1)
_BINDINGS = (
    ("acme", "behind", 1, "Waiting", 1), ("acme", "behind", 2, "Waiting", -9), ("acme", "first", 3, "Waiting", -4),
    ("acme", "first", 4, "Waiting", -8), ("acme", "later", 1, "Scheduled", 1), ("acme", "both", 7, "Scheduled", -3),
    ("acme", "both", 8, "Waiting", -2), ("acme", "both", 6, "Waiting", 1), ("globex", "first", 5, "Waiting", -6),
    ("globex", "behind", 3, "Waiting", -1), ("globex", "own", 9, "Scheduled", -5), ("globex", "own", 10, "Waiting", -7),
)  # fmt: skip
"""Organization, project, number, kind, and in how many hours it is due."""
_PROFILES = (("acme", "card", -5), ("acme", "debit", -3), ("globex", "card", 1))
_DUE = [
    (DueKind.WAITING_BINDING, "globex", "own"), (DueKind.WAITING_BINDING, "globex", "first"),
    (DueKind.PAYMENT_PROFILE, "acme", "card"), (DueKind.SCHEDULED_BINDING, "globex", "own"),
    (DueKind.WAITING_BINDING, "acme", "first"), (DueKind.PAYMENT_PROFILE, "acme", "debit"),
    (DueKind.SCHEDULED_BINDING, "acme", "both"), (DueKind.WAITING_BINDING, "globex", "behind"),
]  # fmt: skip
"""A profile that expires at the instant of a binding comes before it; of those that wait for one project, the first."""


async def _keep(connection: AsyncConnection) -> None:
    now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    for organization, project, number, kind, hours in _BINDINGS:
        values = {"organization": organization, "project": project, "number": number, "kind": kind}
        await connection.execute(_BINDING, {**values, "due_at": now + hours * _HOUR})
    for organization, name, hours in _PROFILES:
        await connection.execute(_PROFILE, {"organization": organization, "name": name, "due_at": now + hours * _HOUR})
    for organization, account, number, hours in (("acme", "x", 1, -1), ("acme", "y", 1, -2), ("acme", "x", 2, -3)):
        values = {"organization": organization, "account": account, "number": number, "at": now + hours * _HOUR}
        await connection.execute(_FAN_OUT, values)


async def test_what_is_due_is_told_in_its_order(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await due(connection, 9) == []
        await _keep(connection)
        expected = [Due(*one) for one in _DUE]
        for limit in (1, 3, len(expected), 99):
            assert await due(connection, limit) == expected[:limit]


async def test_accounts_with_fan_outs_are_told_oldest_first_and_once(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await _keep(connection)
        expected = [Due(DueKind.FAN_OUT, "acme", account) for account in ("x", "y")]
        assert [await unfinished_fan_outs(connection, limit) for limit in (1, 9)] == [expected[:1], expected]


_BINDING = text(
    """
    INSERT INTO pending_bindings (organization, project, number, kind, due_at, account, command, source, type, origin)
    VALUES (:organization, :project, :number, :kind, :due_at, 'main', '{}', '/shop', 't', '{}')
    """
)
_PROFILE = text(
    """
    INSERT INTO payment_profiles (organization, payment_profile, kind, state, version, due_at, origin)
    VALUES (:organization, :name, 'CreditCard', 'Valid', 1, :due_at, '{}')
    """
)
_FAN_OUT = text("INSERT INTO fan_outs VALUES (:organization, :account, :number, 'k', 'r', 'm', :at, '', '{}')")
