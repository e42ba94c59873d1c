"""Gets an object, and lists objects, whole or in pages."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import orjson

from db.questions.resources.keys import Key
from db.questions.resources.watched import positions
from service.answers import Answer
from service.asker import seconds_left
from service.kubernetes.admission import Admitted
from service.kubernetes.finding import Scope, find_all, find_one
from service.kubernetes.negotiation import Form
from service.kubernetes.objects import Object
from service.kubernetes.options import Options, write_continue
from service.kubernetes.resources import BILLING_ACCOUNT_BINDINGS, Resource
from service.kubernetes.statuses import expired, no_such_object, too_large
from service.kubernetes.tables import Included
from service.kubernetes.writing import ListWriter, one_object
from service.snapshots import reading, snapshot
from service.state import State

_LARGEST_PAGE = 10_000
_PAGE_SECONDS = 5.0
"""How long to look for the objects of a page: afterwards it is returned with fewer, and names the next page."""
_HELD_SECONDS = 600.0
"""The longest time that a snapshot is held for a list that is streamed."""
_WAIT_SECONDS = 3.0

_OF_ALL_ORGANIZATIONS = 0


async def get(
    state: State, resource: Resource, organization: str, name: str, form: Form, included: Included, asks: Admitted
) -> Answer:
    """Return an object. Raises Refusal, and Problem `Unavailable`."""
    async with scope_of(state, organization, asks) as scope:
        shown = await find_one(scope, resource, organization, name)
    if shown is None:
        if resource is BILLING_ACCOUNT_BINDINGS and not asks.sees_project_of(name):
            raise asks.refusal("get", resource, organization, name)
        raise no_such_object(resource, name)
    return Answer(orjson.dumps(one_object(resource, form, included, shown)) + b"\n")


async def list_page(
    state: State, resource: Resource, organization: str | None, options: Options, form: Form, asks: Admitted
) -> Answer:
    """Return a page of objects. Raises Refusal, and Problem `Unavailable`."""
    wanted = min(options.limit, _LARGEST_PAGE)
    objects: list[Object] = []
    reached: Key | None = None
    until = asyncio.get_running_loop().time() + _PAGE_SECONDS
    async with scope_of(state, organization, asks) as scope:
        position = _position_of(scope)
        _check(options, position)
        async for found, key in find_all(scope, resource, options.selection, options.after, wanted):
            objects += found
            reached = key
            if asyncio.get_running_loop().time() > until:
                break
    # All pages have the position of the first: a watch from there misses no change between them.
    began_at = position if options.began_at is None else options.began_at
    metadata = {"resourceVersion": str(began_at)}
    if reached is not None:
        metadata["continue"] = write_continue(options, began_at, reached)
    writer = ListWriter(resource, form, options.included)
    return Answer(writer.head(metadata) + writer.items(objects) + writer.tail())


async def list_whole(
    state: State, resource: Resource, organization: str | None, options: Options, form: Form, asks: Admitted
) -> AsyncGenerator[bytes, None]:
    """Yield a list of all objects in one snapshot, piece by piece. Raises Refusal, and Problem `Unavailable`."""
    writer = ListWriter(resource, form, options.included)
    seconds = min(_HELD_SECONDS, seconds_left(asks.asker))
    async with asyncio.timeout(seconds), scope_of(state, organization, asks) as scope:
        position = _position_of(scope)
        _check(options, position)
        began_at = position if options.began_at is None else options.began_at
        piece, is_first = writer.head({"resourceVersion": str(began_at)}), True
        async for found, _ in find_all(scope, resource, options.selection, options.after):
            if not found:
                continue
            items = writer.items(found)
            if is_first:
                piece, is_first = piece + items, False
            else:
                yield piece
                piece = b"," + items
    yield piece + writer.tail()


async def wait_for(state: State, organization: str | None, options: Options) -> None:
    """Wait until the requested position is visible. Raises Refusal."""
    if organization is None or options.position is None:
        return
    shard = state.shard_of(organization)
    if not await state.waking.until_known({shard: options.position}, {}, _WAIT_SECONDS):
        raise too_large(options.position, state.waking.positions.get(shard, 0))


@asynccontextmanager
async def scope_of(state: State, organization: str | None, asks: Admitted) -> AsyncIterator[Scope]:
    """Yield a scope for what the asker sees: one snapshot of an organization, or of all.

    Raises Problem `Unavailable`.
    """
    if organization is None:
        async with reading(state) as connection:
            yield Scope(connection, state, None, await positions(connection), asks.reached)
        return
    async with snapshot(state, organization) as (connection, found):
        yield Scope(connection, state, organization, {found.shard: found.position}, asks.reached)


def _position_of(scope: Scope) -> int:
    if scope.organization is None:
        return _OF_ALL_ORGANIZATIONS
    return scope.positions[scope.state.shard_of(scope.organization)]


def _check(options: Options, position: int) -> None:
    """Raise Refusal if the options demand exactly a position other than the current one."""
    if options.is_exact and options.position is not None and options.position != position:
        raise expired(options.position)
