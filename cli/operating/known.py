"""The checks of `whopays status` that query the database; `standing` judges the answers."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from cli.operating.standing import (
    Section,
    Standing,
    Verdict,
    of_audit,
    of_dead_letters,
    of_maintenance,
    of_publishing,
    of_relays,
    of_replays,
    of_timers,
    of_watermark,
)
from db.audits import last_audit
from db.closing import closed_until
from db.leases import chores_done
from db.published import unpublished
from db.refusal import DatabaseRefused
from db.replays import list_replays, waiting_replays
from db.revisions import check, head_revision
from db.slots import without_relay
from db.watching import overdue, unpublished_age, waiting_dead_letters
from workers.runtime.settings import Settings

STATEMENT_SECONDS = 10.0
"""The timeout of each statement of these checks."""


async def of_database(engine: AsyncEngine, settings: Settings) -> list[Standing]:
    """Return all checks of the database. Raises the errors of an unreachable database."""
    try:
        await check(engine, settings.installation, settings.shards, settings.first_shard, only_reads=True)
    except DatabaseRefused as refused:
        section = Section.REFUSES_TO_START
        first, _, rest = str(refused).partition("\n")
        return [Standing(Verdict.TROUBLE, "database", first, rest or "Do what the message says.", section)]
    ready = Standing(Verdict.WELL, "database", f"It answers, at revision {head_revision()}.", "", Section.UPGRADING)
    async with engine.connect() as connection:
        return [
            ready,
            of_publishing(await unpublished(connection), await unpublished_age(connection)),
            of_relays(*await without_relay(connection)),
            of_watermark(await closed_until(connection), datetime.now(UTC)),
            of_timers(await overdue(connection)),
            of_maintenance(await chores_done(connection), datetime.now(UTC)),
            of_dead_letters(await waiting_dead_letters(connection)),
            of_audit(await last_audit(connection), datetime.now(UTC)),
            of_replays([one.state for one in await list_replays(connection)], await waiting_replays(connection)),
        ]


def is_answering(found: Sequence[Standing]) -> bool:
    """Return whether the database answered all checks, not only refused."""
    return len(found) > 1
