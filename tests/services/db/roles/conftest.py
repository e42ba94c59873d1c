"""A database with roles, for all tests of what they may do."""

from collections.abc import AsyncIterator

import pytest_asyncio

from db.address import connect_arguments
from db.connecting import connect
from db.privileges import Party
from embedded import Addresses
from tests.services.db.roles.parties import Parties, parties


@pytest_asyncio.fixture(scope="package")
async def made(services: Addresses) -> AsyncIterator[Parties]:
    """A database with roles, and rows of the organizations "acme" and "other"."""
    async with parties(services) as one:
        connection = await connect(**connect_arguments(one.database_url))
        try:
            for statement in _ROWS:
                await connection.execute(statement)
            await connection.execute("INSERT INTO bound_readers VALUES ($1, 'acme')", one.login(Party.BOUND))
        finally:
            await connection.close()
        yield one


_ROWS = tuple(
    statement.replace("ORG", organization).replace("NUMBER", str(number))
    for number, organization in ((1, "acme"), (2, "other"))
    for statement in (
        (
            "INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds) "
            "VALUES ('ORG', 'main', 1, 1, 1, 'Provisioning', '[]', '[]')"
        ),
        "INSERT INTO organizations VALUES ('ORG', 'main')",
        "INSERT INTO account_contacts VALUES ('ORG', 'main', 'k', 'w', 's')",
        "INSERT INTO account_phases VALUES ('ORG', 'main', 1, NULL, 'Provisioning', 'r', 'm', 'b', 'c', now())",
        (
            "INSERT INTO payment_profiles (organization, payment_profile, kind, state, version, origin) "
            "VALUES ('ORG', 'card', 'CreditCard', 'Valid', 1, '{}')"
        ),
        "INSERT INTO projects (organization, project, state, version) VALUES ('ORG', 'web', 'Active', 1)",
        (
            "INSERT INTO bindings (organization, project, number, account, from_instant) "
            "VALUES ('ORG', 'web', 1, 'main', now())"
        ),
        "INSERT INTO former_payers VALUES ('ORG', 'main', now())",
        "INSERT INTO pending_bindings VALUES ('ORG', 'web', 2, 'Waiting', now(), 'main', '{}', 's', 't', '{}')",
        "INSERT INTO fan_outs VALUES ('ORG', 'main', 1, 'AccountReady', 'r', 'm', now(), '', '{}')",
        "INSERT INTO inbox VALUES ('ORG', 's', 'id', 'f', 1, NUMBER, 'Applied', 'web', 'main')",
        (
            "INSERT INTO forgotten_commands VALUES (NUMBER, 1, command_digest('ORG', 's', 'old'), "
            "decode('0011223344556677', 'hex'))"
        ),
        "INSERT INTO log VALUES (1, NUMBER, now(), 'projects', 'ORG/web', 'v', 'h', 'ORG')",
        (
            'INSERT INTO dead_letters (topic, partition, "offset", timestamp, reason, detail, recorded_at, size, '
            "organization, sealed) VALUES ('t', 0, NUMBER, now(), 'r', 'd', now(), 1, 'ORG', 's')"
        ),
        (
            "INSERT INTO dead_letter_actions (number, ordinal, action, by, at, reason) "
            "VALUES (NUMBER, 1, 'Discarded', 'b', now(), 'r')"
        ),
    )
)
