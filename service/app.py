"""The service as an ASGI application: one table of questions, judged in one order (docs/contract.md section 11)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from secrets import token_hex

import orjson
import structlog
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.errors import brief, is_transient
from service import accounts, audit, events, intervals, operators, organizations, payers, probes, projects, results
from service.answers import Answer, refusal, write
from service.asker import check_host
from service.console import room as console_room
from service.kubernetes import app as kubernetes
from service.negotiation import chosen, understood
from service.openapi import openapi
from service.parameters import read_names, read_query
from service.problems import Problem, unavailable, wrong
from service.questions import Asked, Question
from service.rights import admit
from service.routing import Routes
from service.snapshots import Snapshot
from service.state import State, Trace, opened
from service.telling import tell
from service.waits import wait_until_known, wrong_waits
from workers.runtime.settings import Settings

logger = structlog.get_logger()

QUESTIONS: tuple[Question, ...] = (
    *organizations.QUESTIONS,
    *projects.QUESTIONS,
    *accounts.QUESTIONS,
    *intervals.QUESTIONS,
    *events.QUESTIONS,
    *payers.QUESTIONS,
    *results.QUESTIONS,
    *audit.QUESTIONS,
    *operators.QUESTIONS,
    *probes.QUESTIONS,
)
"""Every question, in the order of the OpenAPI document; each module contributes its own."""


# FastAPI's own telemetry would export request details and errors.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


@dataclass(frozen=True, slots=True)
class Room:
    """An application that serves all paths whose first segment is in `first_parts`, outside the table of questions.

    The first segment of `/` is empty. `refusal` renders a problem that is found before the application is called.
    """

    first_parts: tuple[str, ...]
    application: Callable[[State], ASGIApp]
    refusal: Callable[[Problem], Answer] = refusal


ROOMS: tuple[Room, ...] = (
    Room(kubernetes.FIRST_PARTS, kubernetes.application, kubernetes.refused),
    Room(console_room.FIRST_PARTS, console_room.console),
)
"""Applications with their own request handling: the Kubernetes resources and the console."""


def make_app(
    settings: Settings, stopping: asyncio.Event, *, rooms: tuple[Room, ...] = ROOMS, trace: Trace | None = None
) -> FastAPI:
    """Return the application. It connects to the database when it starts, and ends its streams once `stopping` is set.

    `trace` records requests; it is None when tracing is off.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        described = orjson.dumps(openapi(QUESTIONS, needs_token=settings.auth != "trusted"))
        async with opened(settings, stopping, described, trace) as state:
            service.begin(state)
            yield

    service = _Service(QUESTIONS, rooms)
    app = FastAPI(
        title="whopays", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan, telemetry=_NO_TELEMETRY
    )
    # Not mounted at `/`: a mount's pattern does not match a path that contains an encoded newline.
    app.router.default = service
    if settings.serve_cors_origins:
        app.add_middleware(
            _OtherOrigins,
            allow_origins=sorted(settings.serve_cors_origins),
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag", "Retry-After", "Whopays-As-Of", "Whopays-Closed-Until", "X-Request-Id"],
        )
    return app


class _OtherOrigins(CORSMiddleware):
    """Allows requests from other origins; a refused preflight is answered like any other OPTIONS request."""

    def preflight_response(self, request_headers: Headers) -> ASGIApp:  # type: ignore[override]  # it is only called
        answer = super().preflight_response(request_headers)
        return answer if answer.status_code == HTTPStatus.OK else self.app


class _Service:
    """Dispatches a request to the room that owns its path, or else to the table of questions."""

    def __init__(self, questions: tuple[Question, ...], rooms: tuple[Room, ...]) -> None:
        self._routes = Routes(questions)
        self._rooms = rooms
        self._refusals = {part.encode(): room.refusal for room in rooms for part in room.first_parts}
        self._applications: Mapping[bytes, ASGIApp] = {}
        self._state: State | None = None

    def begin(self, state: State) -> None:
        """Start to answer requests."""
        self._state = state
        self._applications = {
            part.encode(): application
            for room in self._rooms
            for application in (room.application(state),)
            for part in room.first_parts
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = self._state
        if scope["type"] != "http" or state is None:
            return
        first_part = scope["raw_path"].partition(b"/")[2].partition(b"/")[0]
        if state.tokens is None:
            try:
                check_host(scope["headers"])
            except Problem as refused:
                await write(self._refusals.get(first_part, refusal)(refused), scope, send, token_hex(8))
                return
        room = self._applications.get(first_part)
        if room is not None:
            await room(scope, receive, send)
            return
        began = time.perf_counter()
        sent = _Sent(send)
        asked = Asked(state, scope, receive, token_hex(8))
        try:
            await _answer(asked, self._routes, sent)
        except Exception as error:
            problem = _problem(error, asked)
            if sent.status is not None:
                # Headers are sent, so no other answer is possible: the truncated body shows that it is incomplete.
                raise
            snapshot = problem.snapshot or _last_known(problem, asked)
            await write(refusal(problem, snapshot), scope, sent, asked.request_id)
        finally:
            path = "none" if asked.question is None else asked.question.path
            tell(state, scope, asked.request_id, path, sent.status or 500, time.perf_counter() - began)


async def _answer(asked: Asked, routes: Routes, send: Send) -> None:
    """Validate a request in the contract's order, and answer it."""
    scope = asked.scope
    question, names = routes.find(scope["raw_path"], scope["method"])
    asked.question = question
    await admit(asked, question, names)
    asked.media = chosen(asked.header(b"accept"), question.media)
    if question.bodies:
        consumed = tuple(question.bodies)
        asked.content = understood(asked.header(b"content-type"), asked.header(b"content-encoding"), consumed)
        # A body of lines is answered with lines.
        asked.media = chosen(asked.header(b"accept"), (asked.content,))
    asked.names, violations = read_names(names)
    asked.values, more = read_query(question.by_name, scope["query_string"])
    violations += more
    if question.is_of_organization:
        violations += wrong_waits(asked)
    if question.check is not None:
        violations += question.check(asked)
    if violations:
        raise wrong(violations)
    asked.read_cursor()
    if question.is_of_organization:
        await wait_until_known(asked)
    result = await question.handler(asked)
    if isinstance(result, Answer):
        await write(result, scope, send, asked.request_id)
    else:
        await result(scope, asked.receive, send)


def _problem(error: Exception, asked: Asked) -> Problem:
    """Return the problem with which an error is answered, and log it if the client did not cause it."""
    if isinstance(error, Problem) and error.__cause__ is None:
        return error
    cause = error.__cause__ if isinstance(error, Problem) else error
    if isinstance(error, Problem) or is_transient(error):
        logger.warning("database_unavailable", request_id=asked.request_id, error=brief(cause or error))
        return error if isinstance(error, Problem) else unavailable()
    logger.exception("question_failed", request_id=asked.request_id)  # noqa: LOG004 (called in an exception handler)
    return Problem("Internal", f"The service failed; its log says more about the request {asked.request_id}.")


def _last_known(problem: Problem, asked: Asked) -> Snapshot | None:
    """Return the latest snapshot that the server answered from, for problems reported without the database."""
    if problem.name != "Unavailable" or "organization" not in asked.names:
        return None
    return asked.state.known.get(asked.state.shard_of(asked.organization))


class _Sent:
    """Forwards messages, and records the status of the answer once it has started."""

    __slots__ = ("_send", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
