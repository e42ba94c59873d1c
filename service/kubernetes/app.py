"""The Kubernetes resources as an ASGI application, with the paths, methods and refusals that clients expect."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from secrets import token_hex

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.errors import brief, is_transient
from schemas.askers import Verified
from schemas.identifiers import IDENTIFIER_RULE, is_identifier
from service.answers import Answer, write
from service.asker import who_asks
from service.kubernetes.admission import Admitted, admitted
from service.kubernetes.listing import get, list_page, list_whole, wait_for
from service.kubernetes.negotiation import discovery_form, object_form, plain_form
from service.kubernetes.objects import namespace
from service.kubernetes.options import is_watched, parameters, read_options
from service.kubernetes.paths import Discovered, Objects, PathTarget, place_of
from service.kubernetes.resources import BILLING_ACCOUNT_BINDINGS, Resource
from service.kubernetes.statuses import Refusal, bad_request, internal, not_allowed, not_watched, refusal_of
from service.kubernetes.streaming import Stream, send_stream
from service.kubernetes.tables import read_included
from service.kubernetes.watching import Watch
from service.problems import Problem, quoted, unavailable
from service.state import State
from service.telling import tell

logger = structlog.get_logger()

FIRST_PARTS = ("api", "apis", "openapi", "version")
"""The first segments of the paths served here."""

_Result = Answer | Stream


def application(state: State) -> ASGIApp:
    """Return the application."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        began, request_id = time.perf_counter(), token_hex(8)
        path, sent = "none", _Sent(send)
        try:
            place = place_of(scope["raw_path"])
            path = place.path
            result = await _asked(state, place, scope)
            if isinstance(result, Answer):
                await write(result, scope, sent, request_id)
            else:
                await send_stream(result, scope, receive, sent, request_id, state.stopping)
        except Exception as error:
            refusal = _refusal(error, request_id, path)
            if sent.status is not None:
                # Headers are sent, so no other answer is possible: the truncated body shows that it is incomplete.
                raise
            await write(_answer_of(refusal), scope, sent, request_id)
        finally:
            tell(state, scope, request_id, path, sent.status or 500, time.perf_counter() - began)

    return answer


def refused(problem: Problem) -> Answer:
    """Return the answer to a request that was refused before it reached the application."""
    return _answer_of(refusal_of(problem))


async def _asked(state: State, place: PathTarget, scope: Scope) -> _Result:
    """Validate a request in the contract's order, and return its answer. Raises Refusal, and Problem."""
    if scope["method"] not in ("GET", "HEAD"):
        raise not_allowed()
    asker = await who_asks(state.tokens, scope["headers"])
    accept = _accept(scope)
    match place:
        case Discovered():
            form = (discovery_form if place.aggregated else plain_form)(accept)
            document = place.aggregated(form.version) if place.aggregated and form.kind else place.document()
            return Answer(orjson.dumps(document) + b"\n", media=form.media)
        case Objects():
            asks = _admitted(asker, place, scope)
            if place.resource is not None:
                return await _objects(state, place, place.resource, scope, accept, asks)
            plain_form(accept)
            return Answer(orjson.dumps(namespace(_name(place.organization or "", "namespace"))) + b"\n")


def _admitted(asker: Verified, place: Objects, scope: Scope) -> Admitted:
    verb = "watch" if is_watched(scope["query_string"]) else "list"
    if place.name is not None or place.resource is None:
        verb = "get"
    return admitted(asker, verb, place.resource, place.organization, place.name)


async def _objects(
    state: State, place: Objects, resource: Resource, scope: Scope, accept: str | None, asks: Admitted
) -> _Result:
    organization, name = place.organization, place.name
    form = object_form(accept, is_list=name is None and not is_watched(scope["query_string"]))
    given = parameters(scope["query_string"])
    if organization is not None:
        _name(organization, "namespace")
    if name is not None:
        # A binding's name is not an identifier (section 2 of the contract): a malformed one is simply not found.
        if resource is not BILLING_ACCOUNT_BINDINGS:
            _name(name, "name")
        included = read_included(given.get("includeObject", ""))
        return await get(state, resource, organization or "", name, form, included, asks)
    options = read_options(resource, organization, given)
    if organization is not None:
        options = replace(options, selection=asks.within(resource, options.selection))
    if not options.is_watch:
        await wait_for(state, organization, options)
        if options.limit:
            return await list_page(state, resource, organization, options, form, asks)
        return await _whole(list_whole(state, resource, organization, options, form, asks))
    if organization is None or not resource.can_be_watched:
        raise not_watched(resource)
    if scope["method"] == "HEAD":
        raise not_allowed("GET")
    await wait_for(state, organization, options)
    watch = Watch(state, resource, organization, options, form, asks)
    await watch.begin()
    return Stream(watch.lines(), is_endless=True)


async def _whole(pieces: AsyncGenerator[bytes, None]) -> _Result:
    """Return an Answer if there is only one piece, else a Stream; errors before the first piece are raised here."""
    first = await anext(pieces)
    second = await anext(pieces, None)
    if second is None:
        return Answer(first)

    async def all_pieces() -> AsyncGenerator[bytes, None]:
        async with aclosing(pieces):
            yield first
            yield second
            async for piece in pieces:
                yield piece

    return Stream(all_pieces())


def _name(name: str, field: str) -> str:
    """Return a name from the path if it is an identifier. Raises Refusal."""
    if not is_identifier(name):
        raise bad_request(f'{field}: Invalid value: "{quoted(name)}": a name has {IDENTIFIER_RULE}')
    return name


def _accept(scope: Scope) -> str | None:
    found = [value for name, value in scope["headers"] if name == b"accept"]
    return b", ".join(found).decode("latin-1") if found else None


def _refusal(error: Exception, request_id: str, path: str) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Problem):
        return refusal_of(error)
    if is_transient(error):
        logger.warning("database_unavailable", request_id=request_id, error=brief(error))
        return refusal_of(unavailable())
    logger.error("question_failed", request_id=request_id, path=path, exc_info=error)
    return internal()


def _answer_of(refusal: Refusal) -> Answer:
    return Answer(refusal.body(), status=refusal.code, headers=refusal.headers)


class _Sent:
    """Forwards messages, and records the status of the answer once it has started."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
