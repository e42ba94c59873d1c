"""Checks that no process works on an installation, for commands that need it stopped."""

from sqlalchemy.ext.asyncio import AsyncEngine

from cli.operating.waiting import readers_of
from db.leases import insist_on_no_lease
from db.refusal import StillAtWork
from workers.consuming.subscription import consumer_group
from workers.runtime.roles import CONSUMERS
from workers.runtime.settings import Settings
from workers.topics.cluster import administration


async def insist_on_stopped(engine: AsyncEngine, settings: Settings) -> None:
    """Raise StillAtWork while a process consumes or publishes. Does not detect timers, which only use the database."""
    async with engine.connect() as connection:
        await insist_on_no_lease(connection)
    async with administration(settings) as admin:
        for role in CONSUMERS:
            if readers := await readers_of(admin, consumer_group(settings, role)):
                raise StillAtWork(
                    f"A process on {readers[0].host} plays the role {role}, or was killed a moment ago: stop it, and "
                    "try again."
                )
