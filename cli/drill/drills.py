"""The drills: what breaks in each, how that shows, what helps whoever mends it, and what the runbook does."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from cli.drill.site import KAFKA, Site, say, silent
from cli.operating.standing import Section, Standing, Verdict
from cli.terminal.ending import CommandFailed
from db.engine import create_engine
from schemas.topics import Topic
from workers.exchange import Message

_BROKEN = '{"specversion": "1.0", "type": "io.milo.billing.ProjectChanged.v1", "data": {"organization": "acme"'

_DISCARD = """Redriving helps where the cause was whopays'; half a record stays half a record. Discard them:
whopays dead-letters discard --all --reason "sent again by their producer\""""
_PUT_BACK = """Put the row back, as its history has it, with psql or any other client of PostgreSQL:
SET session_replication_role = replica;
UPDATE projects SET account = 'main' WHERE organization = 'acme' AND project = 'project-1';"""


@dataclass(frozen=True, slots=True)
class Drill:
    """An incident. It `shows` in what `whopays status` says of one of these, which is not well then.

    `page` is the message that wakes whoever is on call: the summary of the alert, as Prometheus would send it.
    """

    name: str
    about: str
    alert: str
    page: str
    shows: frozenset[str]
    breaks: Callable[[Site], Awaitable[None]]
    hints: Sequence[str]
    section: Section
    mends: Callable[[Site], Awaitable[None]]


def is_visible(drill: Drill, found: Sequence[Standing]) -> bool:
    """Return whether what is broken shows."""
    return any(one.what in drill.shows and one.verdict in (Verdict.TROUBLE, Verdict.UNKNOWN) for one in found)


async def _relay_hangs(site: Site) -> None:
    site.hang("relay")


async def _restart_the_relay(site: Site) -> None:
    await site.do("restart", "relay")


async def _producer_sends_rubbish(site: Site) -> None:
    await say(site.settings, *(_Rubbish({"number": number}, Topic.PROJECTS) for number in range(3)))


async def _look_and_discard(_: Site) -> None:
    await run("dead-letters", "list", "--waiting")
    await run("dead-letters", "discard", "--all", "--reason", "cut off by their producer, which sends them again")


async def _kafka_dies(site: Site) -> None:
    await site.stop(KAFKA)


async def _start_kafka(site: Site) -> None:
    await site.do("start", KAFKA)


async def _worker_is_killed(site: Site) -> None:
    await site.kill("projects")


async def _start_the_worker(site: Site) -> None:
    await site.do("start", "projects")


async def _somebody_corrects_a_payer(site: Site) -> None:
    await site.start("auditor")
    await _by_hand(site, "UPDATE projects SET account = 'lab' WHERE (organization, project) = ('acme', 'project-1')")


async def _look_and_put_it_back(site: Site) -> None:
    await run("verify", fails=True)
    await run("timeline", "acme", "project-1")
    await _by_hand(site, "UPDATE projects SET account = 'main' WHERE (organization, project) = ('acme', 'project-1')")
    await run("verify")


async def run(*words: str, fails: bool = False) -> None:
    """Run a command of whopays as whoever mends would. Raises CommandFailed if it fails, unless that is expected."""
    print(f"$ whopays {' '.join(words)}", flush=True)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "cli", *words, env=silent())
    if await process.wait() and not fails:
        raise CommandFailed(f"whopays {' '.join(words)} failed.")


async def _by_hand(site: Site, statement: str) -> None:
    """Change the database as somebody does who knows better."""
    engine = create_engine(site.settings.database_url, pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


class _Rubbish(Message):
    """A record that its producer cut off."""

    @property
    def key(self) -> bytes:
        """The key that all of acme's records have."""
        return b"acme"

    @property
    def value(self) -> bytes:
        """Half of an event."""
        return f"{_BROKEN}, {self.event['number']}".encode()


DRILLS: dict[str, Drill] = {
    one.name: one
    for one in (
        Drill(
            "relay",
            "Events do not reach their readers.",
            "WhopaysEventsUnpublished",
            "Events of whopays are not published",
            frozenset({"publishing", "watermark"}),
            _relay_hangs,
            (
                "whopays status and whopays top: what waits, and who has the lease of the relay?",
                "No process that publishes shows a sign of life, and its log (relay.log) has ended: it hangs.",
                "Any process may be killed at any time: service restart relay",
            ),
            Section.NOT_PUBLISHED,
            _restart_the_relay,
        ),
        Drill(
            "rubbish",
            "Records cannot be answered.",
            "WhopaysDeadLetters",
            "Records became dead letters",
            frozenset({"dead letters"}),
            _producer_sends_rubbish,
            (
                "whopays dead-letters list --waiting: which topic, which organization, why?",
                "whopays dead-letters show NUMBER: what is kept of it. Tell its producer, who has to send it again.",
                _DISCARD,
            ),
            Section.DEAD_LETTERS,
            _look_and_discard,
        ),
        Drill(
            "kafka",
            "Everything waits.",
            "WhopaysRelayInterrupted",
            "The relay of whopays begins again and again",
            frozenset({"Kafka"}),
            _kafka_dies,
            (
                "whopays status: which of the two servers cannot be asked?",
                "The logs say relay_interrupted; processes of whopays wait and go on by themselves. Nothing is lost.",
                "Kafka has to be started: service start kafka",
            ),
            Section.SERVER_AWAY,
            _start_kafka,
        ),
        Drill(
            "worker",
            "A process died in the middle of its work.",
            "WhopaysRoleMissing",
            "Nobody plays the role projects",
            frozenset({"projects"}),
            _worker_is_killed,
            (
                "whopays status: which topic does no process read?",
                "It was killed (kill -9), perhaps between its commit and its acknowledgement. That does no harm.",
                "Any process that was killed may be started again at once: service start projects",
            ),
            Section.RECORDS_WAIT,
            _start_the_worker,
        ),
        Drill(
            "promise",
            "The audit found something.",
            "WhopaysPromiseBroken",
            "whopays has broken the promise payers",
            frozenset({"audit"}),
            _somebody_corrects_a_payer,
            (
                "whopays verify: what is wrong, and where? Nothing is repaired or restarted before that is understood.",
                "whopays timeline acme project-1: who pays, as readers were told. A row was changed by hand.",
                _PUT_BACK,
            ),
            Section.AUDITING,
            _look_and_put_it_back,
        ),
    )
}
