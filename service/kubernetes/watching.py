"""Watches: the existing objects first, if requested, then every change in the order of the log."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from random import uniform
from typing import Any

import structlog

from db.history import HistoryRow, Keys, rows_after
from db.questions.resources.accounts import accounts_page
from db.questions.resources.keys import FIRST
from db.questions.resources.watched import EarlierAccount, accounts_at, is_kept, linked_projects_at, profile_kinds
from schemas.topics import Topic
from service.asker import seconds_left
from service.kubernetes.admission import Admitted
from service.kubernetes.changes import (
    Accounts,
    Change,
    Told,
    accounts_named,
    changed_accounts,
    changed_bindings,
    profiles_named,
    state_told,
    told,
)
from service.kubernetes.finding import find_all
from service.kubernetes.listing import scope_of
from service.kubernetes.negotiation import Form
from service.kubernetes.options import Options
from service.kubernetes.resources import BILLING_ACCOUNTS, NAME, Resource
from service.kubernetes.statuses import Refusal, expired
from service.kubernetes.writing import WatchWriter
from service.problems import Problem
from service.state import State

logger = structlog.get_logger()

_ROWS = 500
_FEW_POSITIONS = 10_000
_MARK_SECONDS = 5.0
"""How often to send a bookmark while the position advances."""
_MARK_UNCHANGED_SECONDS = 30.0
_SHORTEST_SECONDS, _LONGEST_SECONDS = 1800.0, 3600.0
"""How long a watch without a timeout lasts: a random time, as in Kubernetes, so that not all end together."""


class Watch:
    """A watch of a resource in an organization."""

    def __init__(
        self, state: State, resource: Resource, organization: str, options: Options, form: Form, asks: Admitted
    ) -> None:
        self._state = state
        self._resource = resource
        self._organization = organization
        self._shard = state.shard_of(organization)
        self._options = options
        self._asks = asks
        self._writer = WatchWriter(resource, form, options.included)
        self._position = 0
        self._has_initial_events = False
        self._linked: dict[str, int] = {}
        seconds = options.timeout_seconds or uniform(_SHORTEST_SECONDS, _LONGEST_SECONDS)  # noqa: S311 (no secret)
        # The watch ends when the token expires; the client watches again with a new one.
        self._ends = asyncio.get_running_loop().time() + min(seconds, seconds_left(asks.asker))
        self._marked = (0, asyncio.get_running_loop().time())

    async def begin(self) -> None:
        """Determine where the watch begins. Raises Refusal if the changes since then are not kept, and Problem."""
        initial, position = self._options.sends_initial_events, self._options.position
        # To Kubernetes, 0 means any position, and a watch of one object from 0, as by kubectl, wants its current state.
        # But 0 is also the position of an empty log: a client that listed it gets all changes since, unless too many.
        is_from_begin = position == 0 and initial is None and self._options.selection.only(NAME) is None
        async with scope_of(self._state, self._organization, self._asks) as scope:
            head = scope.positions[self._shard]
            self._position = position or (0 if is_from_begin else head)
            is_kept = await self._is_kept(scope.connection)
        if initial is None:
            initial = not position and not (is_from_begin and is_kept and head <= _FEW_POSITIONS)
        if not initial and not is_kept:
            raise expired(self._position)
        self._has_initial_events = initial

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield events as lines until the watch ends."""
        try:
            if self._has_initial_events:
                async for piece in self._initial():
                    yield piece
            async with self._state.waking.watching():
                async for piece in self._changes():
                    yield piece
        except Refusal as refusal:
            yield self._writer.error(refusal.document())
        except Problem as problem:
            # The events already sent are valid; the client resumes after them.
            logger.info("watch_ended", reason=problem.name)

    async def _initial(self) -> AsyncGenerator[bytes, None]:
        async with scope_of(self._state, self._organization, self._asks) as scope:
            self._position = scope.positions[self._shard]
            async for found, _ in find_all(scope, self._resource, self._options.selection, FIRST):
                if found:
                    yield b"".join(self._writer.event(Told("ADDED", shown)) for shown in found)
        if self._options.sends_initial_events and self._options.has_bookmarks:
            yield self._mark(ends_initial_events=True)

    async def _changes(self) -> AsyncGenerator[bytes, None]:
        loop, waking = asyncio.get_running_loop(), self._state.waking
        while loop.time() < self._ends:
            is_behind, seen = False, waking.positions.get(self._shard, 0)
            if seen > self._position:
                piece, is_behind = await self._next()
                if piece:
                    yield piece
            # Wait only if the shard has not advanced meanwhile: `next_look` does not return again for that.
            if not is_behind and waking.positions.get(self._shard, 0) == seen:
                due = self._mark_due()
                try:
                    async with asyncio.timeout_at(min(due, self._ends)):
                        await waking.next_look()
                except TimeoutError:
                    pass
            if self._mark_due() <= loop.time() < self._ends:
                yield self._mark()
        if self._options.has_bookmarks:
            yield self._mark()

    async def _next(self) -> tuple[bytes, bool]:
        """Return the lines for the events that follow, and whether there are more."""
        async with scope_of(self._state, self._organization, self._asks) as scope:
            head = scope.positions[self._shard]
            if head <= self._position:
                return b"", False
            if not await self._is_kept(scope.connection):
                raise expired(self._position)
            page = await rows_after(scope.connection, self._shard, self._position, head, self._keys, _ROWS)
            changes = await self._changes_of(scope.connection, page.rows, head)
        seen = (change for change in changes if self._asks.sees(self._resource, change.after))
        all_told = (told(self._resource, self._options.selection, change) for change in seen)
        lines = b"".join(self._writer.event(one) for one in all_told if one is not None)
        self._position = page.reached
        return lines, page.reached < head

    async def _changes_of(self, connection: Any, rows: list[HistoryRow], head: int) -> Iterable[Change]:
        if self._resource is not BILLING_ACCOUNTS:
            return [change for row in rows for change in changed_bindings(self._organization, row.position, row.value)]
        values = [row.value for row in rows]
        named = accounts_named(values)
        if not named:
            return []
        if named - self._linked.keys():
            # Read for all accounts that change up to the head at once; from here on, every change is counted.
            linked = await linked_projects_at(connection, self._organization, self._position, head)
            self._linked = linked | self._linked
        known = Accounts(linked=self._linked)
        for name, earlier in (await accounts_at(connection, self._organization, named, self._position)).items():
            known.created[name] = earlier.created_at
            known.states[name] = None if earlier.value is None else state_told(earlier.value)
            if earlier.phase is not None:
                known.states[name] = await self._state_of(connection, name, earlier)
                known.guessed.add(name)
        profiles = profiles_named(values, known.states.values())
        known.kinds = await profile_kinds(connection, self._organization, profiles)
        return [
            change for row in rows for change in changed_accounts(self._organization, row.position, row.value, known)
        ]

    async def _state_of(self, connection: Any, name: str, earlier: EarlierAccount) -> Mapping[str, Any]:
        """Return the state of an account whose event is archived: that of the next event, or the current one."""
        if earlier.later is not None:
            return {**state_told(earlier.later), "phase": earlier.phase}
        (shown,) = await accounts_page(connection, self._organization, FIRST, 1, account=name)
        return shown.state

    async def _is_kept(self, connection: Any) -> bool:
        return await is_kept(connection, self._shard, self._position)

    @property
    def _keys(self) -> Keys:
        return Keys((str(Topic.ACCOUNTS), str(Topic.BINDINGS)), self._organization)

    def _mark_due(self) -> float:
        if not self._options.has_bookmarks:
            return self._ends
        position, at = self._marked
        return at + (_MARK_UNCHANGED_SECONDS if position == self._position else _MARK_SECONDS)

    def _mark(self, *, ends_initial_events: bool = False) -> bytes:
        self._marked = (self._position, asyncio.get_running_loop().time())
        return self._writer.mark(self._position, ends_initial_events=ends_initial_events)
