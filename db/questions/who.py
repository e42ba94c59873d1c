"""Who pays for a project: queried so often, also from shells, that it needs nothing but the driver."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.address import connect_arguments
from db.closed import CLOSED_INSTANT
from db.connecting import connect
from db.placing import place_of
from db.questions.held import HELD, HELD_COLUMNS, held_interval

_COMMAND_SECONDS = 30.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A binding scheduled to begin at `effective_at`, and the command that requested it."""

    account: str
    effective_at: datetime
    command_id: str
    command_source: str


@dataclass(frozen=True, slots=True)
class PayerAnswer:
    """The interval that contains `at`, or None if nobody pays then, as of `as_of` on the database's clock.

    `is_known` is False for a project, or an organization, that was never reported.
    """

    payer: dict[str, Any] | None
    at: datetime
    is_settled: bool
    is_known: bool
    is_organization_known: bool
    as_of: datetime
    scheduled: Scheduled | None

    @property
    def account(self) -> str | None:
        """The account that pays."""
        return None if self.payer is None else str(self.payer["account"])


async def who_pays(database_url: str, organization: str, project: str, at: datetime | None = None) -> PayerAnswer:
    """Return who pays for a project now, or paid at an instant, using a separate connection.

    Raises BadAddress, DatabaseUnreachable and the errors of asyncpg.
    """
    async with aclosing(payers_as_they_change(database_url, organization, project, at)) as answers:
        return await anext(answers)


async def payers_as_they_change(
    database_url: str, organization: str, project: str, at: datetime | None = None
) -> AsyncGenerator[PayerAnswer]:
    """Yield who pays for a project, and again whenever that changes, using a separate connection.

    It polls twice a second. Raises BadAddress, DatabaseUnreachable and the errors of asyncpg.
    """
    connection = await connect(**connect_arguments(database_url), command_timeout=_COMMAND_SECONDS)
    try:
        said: PayerAnswer | None = None
        while True:
            row = await connection.fetchrow(WHO_PAYS, organization, project, at, place_of(organization.encode()))
            answer = _answer(row)
            if said is None or (answer.payer, answer.is_known) != (said.payer, said.is_known):
                said = answer
                yield answer
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await connection.close()


def _answer(row: Mapping[str, Any]) -> PayerAnswer:
    scheduled = Scheduled(row["scheduled_account"], row["due_at"], row["command_id"], row["command_source"])
    return PayerAnswer(
        payer=held_interval(row),
        at=row["at"],
        is_settled=row["is_settled"],
        is_known=row["is_known"],
        is_organization_known=row["is_organization_known"],
        as_of=row["as_of"],
        scheduled=scheduled if scheduled.account else None,
    )


WHO_PAYS = f"""
    SELECT clock.now AS as_of, asked.at, coalesce(asked.at <= clock.closed, false) AS is_settled,
        -- In key order, so that the key's index finds one.
        (SELECT project FROM projects WHERE organization = $1 ORDER BY organization, project LIMIT 1) IS NOT NULL
            AS is_organization_known,
        projects.project IS NOT NULL AS is_known,
        {HELD_COLUMNS},
        pending.account AS scheduled_account, pending.due_at,
        pending.origin ->> 'caused_by' AS command_id, pending.source AS command_source
    FROM (
        SELECT greatest(clock_timestamp(), shards.last_instant) AS now, {CLOSED_INSTANT} AS closed
        FROM installation JOIN shards ON shards.shard = installation.first_shard
            + CAST($4 AS bigint) % (installation.shards - installation.first_shard)
        LEFT JOIN published USING (shard)
    ) AS clock
    CROSS JOIN LATERAL (SELECT coalesce(CAST($3 AS timestamptz), clock.now) AS at) AS asked
    LEFT JOIN projects ON projects.organization = $1 AND projects.project = $2
    {HELD}
    LEFT JOIN pending_bindings AS pending
        ON pending.organization = $1 AND pending.project = $2 AND pending.kind = 'Scheduled'
"""
"""One statement for a consistent answer; its parameters are the organization, the project, the instant or null, and
the organization's hash (`db.placing.place_of`)."""
