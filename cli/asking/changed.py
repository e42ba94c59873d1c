"""`whopays changes`: lists and watches the events of an organization."""

import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing, suppress

import orjson
import typer

from cli.asking.reaching import reached
from cli.asking.snapshots import one_snapshot, snapshots
from cli.terminal.describing import event_line
from cli.terminal.ending import CommandFailed, Misused
from cli.terminal.installation import database_address
from cli.terminal.paging import Wanted
from cli.terminal.screen import show
from db.driver import Driver
from db.questions.events import TOPICS, PublishedEvent, events, first_position
from db.questions.snapshots import Snapshot
from db.shard_ranges import shard_ranges

_ID = re.compile(r"(0|[1-9][0-9]{0,4})-(0|[1-9][0-9]{0,18})")
_AT_ONCE = 1_000


def show_changes(organization: str, wanted: Wanted, types: Sequence[str]) -> None:
    """Print the events of one snapshot, up to a limit or all. Raises CommandFailed."""
    names, after = _names(types), _id(wanted.after)
    database_url = database_address()
    left = _AT_ONCE if wanted.is_all else wanted.limit

    async def ask() -> None:
        async with one_snapshot(database_url, organization) as (connection, known):
            position = await _position(connection, organization, known, after)
            async for page in _pages(connection, organization, known, position, left, names):
                _show(page, as_json=wanted.as_json)
                if len(page) == left and not wanted.is_all:
                    last = orjson.loads(page[-1].value)["id"]
                    typer.echo(f"There may be more: --after {last}, or --all", err=True)
                    return

    reached(ask())


def watch(organization: str, wanted: Wanted, types: Sequence[str]) -> None:
    """Print events as they are committed, until Ctrl-C. Raises CommandFailed."""
    names, after = _names(types), _id(wanted.after)
    database_url = database_address()

    async def follow() -> None:
        position: int | None = None
        async with aclosing(snapshots(database_url, organization)) as found:
            async for connection, known in found:
                if position is None:
                    position = (
                        known.position if after is None else await _position(connection, organization, known, after)
                    )
                async for page in _pages(connection, organization, known, position, _AT_ONCE, names):
                    _show(page, as_json=wanted.as_json)
                position = known.position

    with suppress(KeyboardInterrupt):
        reached(follow())


async def _pages(
    connection: Driver, organization: str, known: Snapshot, after: int, limit: int, types: Collection[str]
) -> AsyncIterator[list[PublishedEvent]]:
    """Yield the events of a snapshot after a position, `limit` at a time."""
    while True:
        page = await events(connection, organization, after=after, until=known.position, limit=limit, types=types)
        if page:
            yield page
        if len(page) < limit:
            return
        after = page[-1].position


async def _position(connection: Driver, organization: str, known: Snapshot, after: tuple[int, int] | None) -> int:
    """Return the position after which events are wanted. Raises CommandFailed if it does not exist or is not kept."""
    ranges = await shard_ranges(connection)
    shards = ranges.shards_of(organization)
    first = await first_position(connection, shards)
    if after is None:
        return first - 1
    shard, position = after
    named = f"--after {shard}-{position}"
    if shard not in shards:
        begins = " or ".join(f"{one}-" for one in shards)
        raise CommandFailed(f"{named}: an event of other organizations; those of this one begin with {begins}")
    if position > known.position or ranges.is_beyond(shard, position):
        raise CommandFailed(f"{named}: there is no such event yet; the last is {known.as_of}.")
    if position < first - 1:
        oldest = f"{ranges.shard_at(organization, first)}-{first}"
        raise CommandFailed(f"{named}: what follows is no longer kept; the oldest event is {oldest}.")
    return position


def _show(page: Sequence[PublishedEvent], *, as_json: bool) -> None:
    for event in page:
        if as_json:
            typer.echo(event.value.decode())
        else:
            show(event_line(orjson.loads(event.value)))


def _names(types: Sequence[str]) -> Collection[str]:
    for name in types:
        if name not in TOPICS:
            raise Misused(f"--type {name}: not a type of event; these are {', '.join(TOPICS)}.")
    return types or TOPICS.keys()


def _id(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = _ID.fullmatch(text)
    if found is None:
        raise Misused(f"--after {text}: not the id of an event, such as 3-17.")
    return int(found[1]), int(found[2])
