"""Endpoints for machines: liveness, readiness, metrics, and the OpenAPI document."""

import asyncio
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS_CONTENT_TYPE
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from db.audits import last_audit
from db.closing import closed_until
from db.errors import is_transient, is_wrong_schema
from db.published import unpublished
from db.replays import waiting_replays
from db.watching import overdue, unpublished_age, waiting_dead_letters
from service.answers import JSON, Answer, answer
from service.models import Status
from service.problems import unavailable
from service.questions import Access, Asked, Question
from service.state import State

_READY_SECONDS = 2.0
_OPENMETRICS = "application/openmetrics-text"


async def _livez(_: Asked) -> Answer:
    return answer({"status": "alive"}, has_tag=False)


async def _readyz(asked: Asked) -> Answer:
    state = asked.state
    if state.stopping.is_set():
        raise unavailable("The server is stopping.")
    if state.tokens is not None and state.tokens.unread():
        raise unavailable("The keys of a token issuer have not been read yet.")
    try:
        async with asyncio.timeout(_READY_SECONDS), state.pool.acquire() as connection:
            await connection.fetchval("SELECT shard FROM shards LIMIT 1")
    except Exception as error:
        if is_transient(error) or is_wrong_schema(error):
            raise unavailable() from error
        raise
    return answer({"status": "ready"}, has_tag=False)


async def _openapi(asked: Asked) -> Answer:
    return Answer(asked.state.openapi)


async def _metrics(asked: Asked) -> Answer:
    await _look_at_log(asked.state)
    registry = asked.state.metrics.registry
    if asked.media == _OPENMETRICS:
        page: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]  # missing from its stubs
        return Answer(page, has_tag=False, media=OPENMETRICS_CONTENT_TYPE)
    return Answer(generate_latest(registry), has_tag=False, media=CONTENT_TYPE_LATEST)


async def _look_at_log(state: State) -> None:
    """Refresh the metrics that are read from the database; without a database the others are still served."""
    state.metrics.know_nothing()
    try:
        async with asyncio.timeout(_READY_SECONDS), state.pool.acquire() as connection:
            behind, age = await unpublished(connection), await unpublished_age(connection)
            state.metrics.known(behind, age, await closed_until(connection))
            state.metrics.audited(await last_audit(connection))
            state.metrics.overdue(await overdue(connection))
            state.metrics.waiting(await waiting_dead_letters(connection))
            state.metrics.replays(len(await waiting_replays(connection)))
    except Exception as error:
        # A database role whose grants predate an upgrade may not be allowed to read newer tables.
        if not (is_transient(error) or is_wrong_schema(error)):
            raise


QUESTIONS = (
    Question(
        name="isAlive",
        path="/livez",
        summary="Whether the server is alive",
        description="Answers as long as the process runs.",
        handler=_livez,
        models={JSON: Status},
        examples={JSON: {"status": "alive"}},
        has_tag=False,
        tag="Probes",
        access=Access.OPEN,
    ),
    Question(
        name="isReady",
        path="/readyz",
        summary="Whether the server is ready",
        description="Queries the database; a server that is stopping is not ready.",
        handler=_readyz,
        models={JSON: Status},
        examples={JSON: {"status": "ready"}},
        has_tag=False,
        problems=("Unavailable",),
        tag="Probes",
        access=Access.OPEN,
    ),
    Question(
        name="getOpenApi",
        path="/openapi.json",
        summary="This document",
        description="The OpenAPI 3.1 document of the service.",
        handler=_openapi,
        models={JSON: dict[str, Any]},
        tag="Probes",
        access=Access.OPEN,
    ),
    Question(
        name="getMetrics",
        path="/metrics",
        summary="Metrics for Prometheus",
        description="For anyone on the loopback address; elsewhere for operators and auditors of all organizations.",
        handler=_metrics,
        has_tag=False,
        media=("text/plain", _OPENMETRICS),
        tag="Probes",
        access=Access.NEAR,
    ),
)
