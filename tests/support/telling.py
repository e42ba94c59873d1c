"""Stories decided without a broker, and what was published about them, to compare."""

import itertools
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.facts import AnyFact, PaymentProfileChanged, ProjectChanged
from schemas.parsing import CommandMessage, FactMessage, read_command, read_fact
from schemas.policy import OperatorPolicy
from schemas.records import Record
from tests.support.model.said import PROFILES, PROJECTS, Said
from workers.batches.transaction import Batches
from workers.runtime.roles import Role

_LIMIT = 1_000_000
_OFFSETS = itertools.count()
_FACTS: dict[str, type[AnyFact]] = {PROJECTS: ProjectChanged, PROFILES: PaymentProfileChanged}
_ROLES = {PROJECTS: Role.PROJECTS, PROFILES: Role.PAYMENT_PROFILES}
_read_command = partial(read_command, max_value_bytes=_LIMIT, policy=OperatorPolicy())


def read(record: Record) -> CommandMessage | FactMessage:
    """Read a record of any topic."""
    model = _FACTS.get(record.topic)
    return read_fact(record, model, _LIMIT) if model else _read_command(record)


async def tell(to: Batches, said: Iterable[Said]) -> list[Record]:
    """Process messages as one batch, and return its records."""
    told = [
        Record(one.topic, 0, next(_OFFSETS), datetime.now(UTC), one.organization.encode(), (), one.value())
        for one in said
    ]
    await tell_again(to, told)
    return told


async def tell_again(to: Batches, records: list[Record]) -> None:
    """Process records as one batch."""
    if records:
        await to.process(_ROLES.get(records[0].topic, Role.ADMIN_COMMANDS), records, read)


async def told(engine: AsyncEngine, organization: str) -> list[str]:
    """Return everything the log says about an organization, without what differs by organization or instant."""
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT value FROM log ORDER BY shard, position"))).scalars()
        return [_comparable(json.loads(value), organization) for value in rows if organization.encode() in value]


def _comparable(event: dict[str, Any], organization: str) -> str:
    def without(value: Any) -> Any:
        match value:
            case dict():
                return {name: without(item) for name, item in value.items() if name not in _OWN}
            case list():
                return [without(item) for item in value]
            case str():
                return value.replace(organization, "…")
            case _:
                return value

    return json.dumps(without(event), sort_keys=True)


_OWN = {
    "id", "time", "bindingId", "establishedAt", "endedAt", "activatedAt", "lastTransitionTime", "placedAt",
    "requestedAt", "offset", "timestamp", "key", "value", "sha256", "size", "subject", "fingerprint",
}  # fmt: skip
