"""What happens while questions are asked, of a mutant or not; answers are held against what was published."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import text

from tests.faults import failpoints
from tests.faults.matrix import FAILING_WORKER
from tests.faults.mutating import MUTANT_VARIABLE
from tests.faults.points import CONSUMERS
from tests.faults.questions.asking import Asker, Asking, Listener
from tests.faults.questions.published import published
from tests.faults.questions.servers import Servers, end_what_listens
from tests.faults.stage import Scenario, Stage, in_seconds
from tests.support.kafka import all_consumed, exactly_published
from tests.support.messages import bind
from tests.support.waiting import until
from workers.runtime.roles import Role

_MOST_PAGES = 100
_PATIENCE_SECONDS = 5.0
"""A mutant whose streams do not go on in this time has died of it."""
_ASKED = "snapshots.snapshot: snapshot_of after"
_WAITING = "waits.wait_until_known: asked.state.waking.until_known before"


async def _beside_changes(stage: Stage) -> list[str]:
    """Payers change between an answer's statements, between two questions, and while somebody waits."""
    async with _asked(stage, {_ASKED: failpoints.STOP, _WAITING: failpoints.TELL}) as asking:
        asker = asking.asker("acme")
        before = await asker.payer("p0")
        assert before is not None
        between = asyncio.create_task(asker.listed())
        await asking.servers.server.logged(failpoints.reached(_ASKED))
        await _changed(stage, "between", "b")
        asking.servers.server.process.send_signal(signal.SIGCONT)
        await between
        await asker.project("p0")
        now = await asker.payer("p0")
        assert now is not None
        await _changed(stage, "then", "c")
        await asker.project("p0")
        await asker.payer_then()
        for instant in (now.document["payer"]["establishedAt"], before.document["at"], now.document["at"]):
            await asker.ask(now.path, at=instant)
        await asker.pages("c")
        await asker.pages("a")
        await _everything_is_paged(stage, asker)
        await asker.payer("p1", closedAtLeast=now.document["at"])
        awaited = asyncio.create_task(asker.what_comes_next())
        told = asyncio.create_task(asking.servers.server.logged(failpoints.reached(_WAITING)))
        await asyncio.wait((awaited, told), return_when=asyncio.FIRST_COMPLETED)
        await _changed(stage, "awaited", "b")
        await awaited
        told.cancel()
        await asyncio.gather(told, return_exceptions=True)
        await exactly_published(stage.installation)
        return await asking.findings()


async def _streams_that_are_cut(stage: Stage) -> list[str]:
    """Streams begin at the beginning and at the end, end, and are resumed; what notifies the server is lost."""
    async with _asked(stage) as asking:
        shard, end = await _head(stage, asking)
        listeners = [asking.listener("acme", (shard, after), most) for after, most in ((0, 7), (0, 10_000), (end, 1))]
        async with _listening(listeners):
            await until(lambda: _are_connected(listeners), "the streams")
            await _changed(stage, "live", "b")
            await asking.asker("acme").event_page()
            async with stage.installation.engine.begin() as connection:
                # What is committed in between is not notified of: no connection listens.
                assert await end_what_listens(connection)
                await _changed(stage, "unheard", "c")
            await _changed(stage, "heard", "a")
            if wrong := await asking.findings(_PATIENCE_SECONDS if stage.mutant else 45):
                return wrong
            await asking.servers.server.kill()
            await _changed(stage, "unserved", "b")
            await asking.servers.start()
            await _changed(stage, "served", "c")
            await exactly_published(stage.installation)
            return await asking.findings()


async def _beside_a_slow_transaction(stage: Stage) -> list[str]:
    """Timers hang in a transaction that has its instant, while questions are asked."""
    async with _asked(stage, roles=(*CONSUMERS, Role.RELAY)) as asking:
        point = "transaction.Batches._transaction: load after"
        slow = await stage.installation.start(
            Role.TIMERS, module=FAILING_WORKER, **failpoints.environment({point: failpoints.STOP})
        )
        await stage.load.say(bind("acme", "p0", "b", "slow", effectiveAt=in_seconds(2)))
        await slow.logged(failpoints.reached(point))
        asker = asking.asker("acme")
        for name in ("p0", "p1"):
            now = await asker.payer(name)
            assert now is not None
            await asker.ask(now.path, at=now.document["at"])
        slow.process.send_signal(signal.SIGCONT)
        await until(lambda: _pays(asker, "b"), "the payer that was scheduled")
        await exactly_published(stage.installation)
        return await asking.findings()


async def _for_what_never_comes(stage: Stage) -> list[str]:
    """Somebody waits for an event, and for an instant, that do not come."""
    async with _asked(stage) as asking:
        asker = asking.asker("acme")
        await asker.project("p0")
        await asker.what_comes_next()
        await asker.project("p0", closedAtLeast="2999-01-01T00:00:00.000000Z")
        return await asking.findings()


async def _while_nothing_is_published(stage: Stage) -> list[str]:
    """The relay is away while payers change."""
    async with _asked(stage, roles=()) as asking:
        await stage.installation.start(*CONSUMERS)
        _, end = await _head(stage, asking)
        asker = asking.asker("acme")
        await _changed(stage, "unpublished", "b")
        await asker.payer("p0")
        await asker.project("p0")
        first = (await published(stage.installation.engine)).events("acme", end)[0]
        wrong = [
            f"closed until {one.closed}, but {first.document['id']} of {first.time} is not published"
            for answers in asking.noted.answers
            for one in answers
            if one.closed is not None and one.closed >= first.time
        ]
        return [*wrong, *await asking.findings()]


async def _database_that_knows_less(stage: Stage) -> list[str]:
    """The database goes back to what it was, as a standby that lags, and knows more again later."""
    async with _asked(stage) as asking:
        asker = asking.asker("acme")
        await asker.project("p0")
        await asker.payer("p0")
        for difference in (-1, 1):
            async with stage.installation.engine.begin() as connection:
                await connection.execute(text(_MOVE_POSITIONS), {"difference": difference})
            await asker.project("p0")
            await asker.payer("p0")
        return await asking.findings()


@asynccontextmanager
async def _asked(
    stage: Stage, plan: Mapping[str, str] | None = None, *, roles: tuple[Role, ...] | None = None
) -> AsyncIterator[Asking]:
    """Yield a server, the mutant if there is one, of an installation where payers are bound and roles are running."""
    worker = await stage.installation.start()
    await stage.begin()
    await all_consumed(stage.installation)
    await exactly_published(stage.installation)
    if roles is not None:
        assert await worker.stop() == 0
        if roles:
            await stage.installation.start(*roles)
    mutant = {} if stage.mutant is None else {MUTANT_VARIABLE: stage.mutant}
    variables = {**failpoints.environment(plan or {}), **mutant}
    async with Servers(stage.installation, module=FAILING_WORKER, **variables) as servers:
        yield Asking(stage.installation, servers)


async def _changed(stage: Stage, name: str, payer: str) -> None:
    """Bind all projects to an account, and wait until that is done."""
    await stage.bind(name, payer)
    await all_consumed(stage.installation)


async def _everything_is_paged(stage: Stage, asker: Asker) -> None:
    """Ask for all events of the organization, by pages."""
    assert asker.as_of is not None
    after = f"{asker.as_of[0]}-0"
    for _ in range(_MOST_PAGES):
        found = await asker.ask("/v1/organizations/acme/events", after=after, limit="9")
        if found is None or not found.document:
            return
        after = found.document[-1]["id"]


async def _head(stage: Stage, asking: Asking) -> tuple[int, int]:
    found = await asking.asker("acme").project("p0")
    assert found is not None
    assert found.as_of is not None
    return found.as_of


async def _are_connected(listeners: list[Listener]) -> bool:
    return all(one.connections for one in listeners)


async def _pays(asker: Asker, account: str) -> bool:
    found = await asker.payer("p0")
    return found is not None and found.document["payer"]["account"] == account


@asynccontextmanager
async def _listening(listeners: list[Listener]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.go_on()) for one in listeners]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_MOVE_POSITIONS = "UPDATE shards SET position = position + :difference WHERE position > 1"

OF_QUESTIONS: dict[str, Scenario] = {
    "questions beside changes": _beside_changes,
    "streams that are cut": _streams_that_are_cut,
    "questions beside a slow transaction": _beside_a_slow_transaction,
    "questions for what never comes": _for_what_never_comes,
    "questions while nothing is published": _while_nothing_is_published,
    "a database that knows less": _database_that_knows_less,
}
