"""The composition root: the only place that knows settings, engine, broker and clock."""

import asyncio
import contextlib
import gc
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

import structlog
from faststream import FastStream
from faststream.kafka import KafkaBroker
from sqlalchemy.pool import AsyncAdaptedQueuePool

from db.engine import create_engine
from db.revisions import check
from workers.batches.transaction import Batches
from workers.batches.transaction import Trace as TraceBatch
from workers.consuming.admin_commands import ADMIN_COMMANDS
from workers.consuming.payment_profiles import PAYMENT_PROFILES
from workers.consuming.projects import PROJECTS
from workers.consuming.subscription import Subscription
from workers.consuming.undecodable_headers import read_undecodable_headers
from workers.maintenance import Maintenance
from workers.publishing.slots import Slots
from workers.publishing.telling import Trace as TraceTransaction
from workers.replaying.role import Replays
from workers.runtime.believing import warn_if_trusted
from workers.runtime.kafka import broker_security, token_provider
from workers.runtime.metrics import Metrics
from workers.runtime.metrics_server import MetricsServer
from workers.runtime.probes import Probes
from workers.runtime.roles import ALL_ROLES, Role
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens
from workers.runtime.traces import spans_of
from workers.timers import Timers
from workers.topics.admission import admit

if TYPE_CHECKING:
    from workers.runtime.spans import Spans

_CONSUMERS = (PROJECTS, PAYMENT_PROFILES, ADMIN_COMMANDS)
_PING_SECONDS = 5.0
_METADATA_MS = 15_000
_NICENESS_OF_REPLAYS = 10
LATE_SECONDS = 3.5
"""How long after `stop_seconds` a stopping process is cancelled."""
LAST_SECONDS = 1.0
"""How long cancelled work has to end, as has everything else that waits for a server."""

logger = structlog.get_logger()


class RoleCancelled(Exception):
    """A role was cancelled, though the process is not stopping."""


class Process:
    """One process of whopays, as a FastStream application."""

    def __init__(self, settings: Settings, roles: Sequence[Role], on_ready: Callable[[], None] | None = None) -> None:
        self._settings = settings
        self._roles = roles or ALL_ROLES
        if Role.ADMIN_COMMANDS in self._roles:
            settings.insist_on_auth()
        self._on_ready = on_ready
        self._stopping = asyncio.Event()
        self._stopping_since = 0.0
        self._failure: BaseException | None = None
        checks_tokens = settings.auth == "jwt" and Role.ADMIN_COMMANDS in self._roles
        self._metrics = Metrics(self._roles, checks_tokens=checks_tokens)
        self._turns = self._metrics.turns
        # A relay holds a connection for each of its slots.
        size = settings.database_pool_size + (settings.relay_slots - 1 if Role.RELAY in self._roles else 0)
        self._engine = create_engine(settings.database_url, pool_size=size)
        pool = cast(AsyncAdaptedQueuePool, self._engine.pool)
        self._metrics.watch_pool(pool.checkedout, pool.checkedin, size)
        self._broker = KafkaBroker(
            settings.kafka_bootstrap_servers.split(","),
            allow_auto_create_topics=False,
            graceful_timeout=settings.stop_seconds,
            # Its consume loop carries on after Kafka errors, and reports them only here.
            logger=logging.getLogger("faststream"),
            client_id=f"whopays-{settings.installation}",
            security=broker_security(settings),
            sasl_oauth_token_provider=token_provider(settings),
            # How soon a re-created topic is noticed; the default is five minutes.
            metadata_max_age_ms=_METADATA_MS,
        )
        self._background: list[asyncio.Task[None]] = []
        self._ping: asyncio.Task[None] | None = None
        self._tokens = Tokens(settings, self._metrics.instruments) if checks_tokens else None
        self._entered = contextlib.AsyncExitStack()
        self._spans = spans_of(settings, self._roles)
        self._trace_batch, self._trace_transaction = _tracing(self._spans)
        self._batches = Batches(
            self._engine,
            settings,
            settings.keys(),
            self._metrics,
            self._stopping,
            verify=None if self._tokens is None else self._tokens.verify,
            trace=self._trace_batch,
        )
        read_undecodable_headers()
        self._subscriptions = [
            Subscription(
                consumer,
                self._broker,
                settings=settings,
                engine=self._engine,
                metrics=self._metrics,
                stopping=self._stopping,
                batches=self._batches,
                fail=self._fail,
            )
            for consumer in _CONSUMERS
            if consumer.role in self._roles
        ]
        self.app = FastStream(
            self._broker,
            logger=None,
            on_startup=[self._check],
            after_startup=[self._begin],
            on_shutdown=[self._end],
            after_shutdown=[self._close],
        )

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, then for at most `stop_seconds` and a little more."""
        running = asyncio.create_task(self.app.run())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        _, late = await asyncio.wait([running], timeout=self._settings.stop_seconds + LATE_SECONDS)
        if late:
            # Nothing is lost: unacknowledged records are read again, and unpublished events are published later.
            logger.warning("stopped_late", installation=self._settings.installation)
            running.cancel()
            await asyncio.wait([running], timeout=LAST_SECONDS)
            if self._failure is not None:
                raise self._failure
        else:
            running.result()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stopping.set()
        self.app.exit()

    def _not_ready(self) -> list[str]:
        unread = [] if self._tokens is None else self._tokens.unread()
        return [f"the keys of {issuer} were never read" for issuer in unread] + ["it stops"] * self._stopping.is_set()

    async def _check(self) -> None:
        settings = self._settings
        self._probes = Probes(self._turns, self._engine, settings.hang_seconds, self._not_ready)
        if settings.metrics_port:
            probes = self._probes.by_path
            MetricsServer(settings.metrics_address, settings.metrics_port, self._metrics.registry, probes)
        await check(
            self._engine,
            self._settings.installation,
            self._settings.shards,
            self._settings.first_shard,
            is_disposable=self._settings.database_is_disposable,
        )
        await admit(self._engine, self._settings)
        if self._tokens is not None:
            await self._entered.enter_async_context(self._tokens)

    async def _begin(self) -> None:
        if Role.RELAY in self._roles:
            slots = Slots(self._engine, self._settings, self._metrics, self._stopping, self._trace_transaction)
            self._background.append(asyncio.create_task(self._guarded(Role.RELAY, slots.run())))
        if Role.TIMERS in self._roles:
            timers = Timers(self._engine, self._settings, self._batches, self._metrics, self._stopping)
            self._background.append(asyncio.create_task(self._guarded(Role.TIMERS, timers.run())))
        if Role.REPLAYS in self._roles:
            if len(self._roles) == 1:
                # Workers and relay on the same machine take precedence: replays are not urgent.
                os.nice(_NICENESS_OF_REPLAYS)
            replays = Replays(self._engine, self._settings, self._metrics, self._stopping)
            self._background.append(asyncio.create_task(self._guarded(Role.REPLAYS, replays.run())))
        if Role.MAINTENANCE in self._roles:
            maintenance = Maintenance(self._engine, self._settings, self._metrics, self._stopping)
            self._background.append(asyncio.create_task(self._guarded(Role.MAINTENANCE, maintenance.run())))
        self._ping = asyncio.create_task(self._show_life())
        tune_garbage_collection()
        warn_if_trusted(self._settings)
        logger.info("started", installation=self._settings.installation, roles=[str(role) for role in self._roles])
        if self._on_ready is not None:
            self._on_ready()

    async def _guarded(self, role: Role, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:
            logger.exception("role_failed", role=role)
            self._fail(error)
        except asyncio.CancelledError:
            if self._stopping.is_set():
                raise
            # Cancelled by a library's mistake, not because this process is stopping: the role would silently be gone.
            logger.exception("role_failed", role=role)
            self._fail(RoleCancelled(role))

    async def _show_life(self) -> None:
        """Record which consumers are making progress, even while there is nothing to consume."""
        while True:
            answers = await self._broker.ping(timeout=_PING_SECONDS)
            if answers:
                self._probes.kafka_answered()
            for subscription in self._subscriptions:
                if subscription.liveness.is_making_progress() and answers:
                    self._metrics.alive(subscription.role)
            await asyncio.sleep(_PING_SECONDS)

    async def _end(self) -> None:
        # The background roles and the batches end at the same time.
        self._stopping_since = time.monotonic()
        self._stopping.set()
        if self._ping is not None:
            self._ping.cancel()
        await asyncio.gather(*(one.end(self._settings.stop_seconds) for one in self._subscriptions))

    async def _close(self) -> None:
        if self._background:
            left = self._stopping_since + self._settings.stop_seconds - time.monotonic()
            _, late = await asyncio.wait(self._background, timeout=max(0.0, left))
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=LAST_SECONDS)
        await self._entered.aclose()
        with contextlib.suppress(TimeoutError):
            # Closing a connection waits for the server, and sending the last spans for the collector: either may hang.
            async with asyncio.timeout(LAST_SECONDS):
                await asyncio.gather(self._engine.dispose(), *([] if self._spans is None else [self._spans.close()]))
        logger.info("stopped", installation=self._settings.installation)
        if self._failure is not None:
            raise self._failure


def _tracing(spans: "Spans | None") -> tuple[TraceBatch | None, TraceTransaction | None]:
    """Return the recorders of batches and of relay transactions; None if nothing is traced."""
    if spans is None:
        return None, None
    from workers.batches.tracing import trace_batch  # noqa: PLC0415 - they import OpenTelemetry
    from workers.publishing.tracing import trace_transaction  # noqa: PLC0415
    from workers.runtime.spans import harmless  # noqa: PLC0415

    return harmless(partial(trace_batch, spans)), harmless(partial(trace_transaction, spans))


def tune_garbage_collection() -> None:
    """Have the cycle collector run rarely: a batch creates tens of thousands of objects, and hardly any cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)


async def run_roles(settings: Settings, roles: Sequence[Role], *, on_ready: Callable[[], None] | None = None) -> None:
    """Run roles (all if none is named) in this process until SIGTERM or SIGINT.

    Raises DatabaseRefused, KafkaRefused, or any other error that makes it impossible to continue.
    """
    await Process(settings, roles, on_ready).run()
