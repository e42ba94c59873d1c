"""Who paid when: of a project, and of an account."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.engine import fetch
from db.rows import BINDING_TYPES, columns
from domain.state import Binding


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One payer of a project, in `[established_at, ended_at)`; `number` counts payers from 1."""

    number: int
    binding_id: str
    account: str
    established_at: datetime
    ended_at: datetime | None


async def timeline(connection: AsyncConnection, organization: str, project: str) -> list[TimelineEntry]:
    """Return all payers of a project, oldest first: each pays until the next change of payer."""
    rows = await fetch(connection, _TIMELINE, organization=organization, project=project)
    bindings = [Binding(**row) for row in rows]
    ends = [*(binding.from_instant for binding in bindings[1:]), None]
    found: list[TimelineEntry] = []
    for binding, end in zip(bindings, ends, strict=False):
        if binding.account is not None:
            number = len(found) + 1
            found.append(TimelineEntry(number, binding.binding_id, binding.account, binding.from_instant, end))
    return found


_TIMELINE = text(
    f"""
    SELECT {columns(BINDING_TYPES)} FROM bindings
    WHERE organization = :organization AND project = :project ORDER BY number
    """
)
