"""Retention: what the role `maintenance` removes once it is older than the operator wants it kept, step by step.

Each step removes rows, and stores what must remain of them, in one transaction (docs/decisions/0036).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.forgetting import (
    forget_commands,
    forget_letters,
    forget_places,
    has_places,
    let_letters_go,
    may_let_letters_go,
    organizations_after,
)
from db.history import first_kept, last_before
from db.published import published_at_least
from db.shards import all_heads
from schemas.topics import INPUT_TOPICS
from workers.publishing.positions import read_beginnings
from workers.runtime.metric import Forgotten
from workers.runtime.metrics import Metrics
from workers.runtime.settings import Settings

_ORGANIZATIONS_AT_ONCE = 100
_ROWS_AT_ONCE = 500


class ForgettingCommands:
    """Removes old commands from `inbox`, organization by organization; each round begins with the first one."""

    def __init__(self, engine: AsyncEngine, settings: Settings, metrics: Metrics) -> None:
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._after = ""
        self._until: Mapping[int, int] | None = None

    async def step(self) -> bool:
        """Forget some commands; return whether there may be more to forget in this round."""
        days = self._settings.keep_commands_days
        if days is None:
            return False
        async with self._engine.begin() as connection:
            if self._until is None:
                self._until = await _published_before(connection, datetime.now(UTC) - timedelta(days=days))
            names = await organizations_after(connection, self._after, _ORGANIZATIONS_AT_ONCE)
            places = {name: self._settings.shard_of(name) for name in names}
            number = await forget_commands(connection, places, self._until, _ROWS_AT_ONCE)
        self._metrics.forgot(Forgotten.COMMANDS, number)
        if number < _ROWS_AT_ONCE:
            self._after = names[-1] if names else ""
        if not names:
            self._until = None
        return bool(names)


class ForgettingPlaces:
    """Forgets the places of records that claim no id, once their topic no longer holds them."""

    def __init__(self, engine: AsyncEngine, settings: Settings, metrics: Metrics) -> None:
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._beginnings: Mapping[tuple[str, int], int] | None = None

    async def step(self) -> bool:
        """Forget some places; return whether there are more."""
        if self._beginnings is None:
            async with self._engine.connect() as connection:
                if not await has_places(connection):
                    return False
            self._beginnings = await _beginnings(self._settings)
        async with self._engine.begin() as connection:
            number = await forget_places(connection, self._beginnings, _ROWS_AT_ONCE)
        self._metrics.forgot(Forgotten.RECORDS, number)
        if number < _ROWS_AT_ONCE:
            self._beginnings = None
        return self._beginnings is not None


class ForgettingLetters:
    """Erases the content of dead letters that were settled long ago, and removes those whose events are archived.

    Each round begins with the first one.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings, metrics: Metrics) -> None:
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._after = 0

    async def step(self) -> bool:
        """Examine some dead letters; return whether there are more to examine."""
        days = self._settings.keep_dead_letters_days
        if days is None:
            return False
        before = datetime.now(UTC) - timedelta(days=days)
        async with self._engine.begin() as connection:
            found = await forget_letters(connection, self._after, before, _ROWS_AT_ONCE)
        self._metrics.forgot(Forgotten.DEAD_LETTERS, found.erased)
        if found.may_go:
            await self._let_go(found.may_go)
        self._after = found.last or 0
        return found.last is not None

    async def _let_go(self, numbers: Sequence[int]) -> None:
        """Remove dead letters that can never be needed again, if this process's database role may."""
        async with self._engine.connect() as connection:
            if not await may_let_letters_go(connection):
                return
        beginnings = await _beginnings(self._settings)
        async with self._engine.begin() as connection:
            number = await let_letters_go(connection, numbers, beginnings)
        self._metrics.forgot(Forgotten.WHOLE_DEAD_LETTERS, number)


async def _beginnings(settings: Settings) -> Mapping[tuple[str, int], int]:
    """Return the first offset that each partition of the input topics still holds."""
    found = await read_beginnings(settings, list(map(settings.topic, INPUT_TOPICS)))
    return {(one.topic, one.partition): offset for one, offset in found.items()}


async def _published_before(connection: AsyncConnection, instant: datetime) -> dict[int, int]:
    """Return the last published position of each shard before an instant."""
    published = await published_at_least(connection)
    first, heads = await first_kept(connection), await all_heads(connection)
    within = {
        shard: (first[shard][0] - 1, min(head.position, published.get(shard, 0))) for shard, head in heads.items()
    }
    return await last_before(connection, instant, within)
