"""What `whopays status` finds out, one sentence about each thing; and what the database knows of it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import itemgetter

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cli.terminal.output import count_of
from db.audits import last_audit
from db.closing import closed_until
from db.leases import chores_done
from db.published import unpublished
from db.refusal import DatabaseRefused
from db.replays import list_replays, waiting_replays
from db.revisions import check, head_revision
from db.slots import without_relay
from db.watching import overdue, unpublished_age, waiting_dead_letters
from schemas.replays import ReplayState
from workers.runtime.settings import Settings

PAGE = "docs/operations.md"
STATEMENT_SECONDS = 10.0
"""How long one statement of these questions may take."""
_LONGEST_UNPUBLISHED_SECONDS = 10.0
_LONGEST_OPEN = timedelta(seconds=15)
_LONGEST_OVERDUE_SECONDS = 10.0
_OLDEST_CHORE = timedelta(days=1)
_OLDEST_AUDIT = timedelta(days=2)


class Verdict(StrEnum):
    """How it stands with something. A note is for whoever reads it, and no trouble."""

    WELL = "well"
    NOTE = "note"
    TROUBLE = "trouble"
    UNKNOWN = "unknown"


MARKS = {
    Verdict.WELL: ("ok", "green"),
    Verdict.NOTE: ("note", "cyan"),
    Verdict.TROUBLE: ("LOOK", "red"),
    Verdict.UNKNOWN: ("?", "yellow"),
}
"""How a verdict is shown: a word, and its colour, which reads on light and dark grounds."""


class Section(StrEnum):
    """A section of docs/operations.md, as links name it."""

    REFUSES_TO_START = "what-whopays-refuses-to-start-on-and-what-to-do"
    UPGRADING = "upgrading"
    NOT_PUBLISHED = "when-events-are-not-published"
    OVERDUE = "when-timers-are-overdue"
    DEAD_LETTERS = "dead-letters"
    KEEP_AND_FORGET = "keep-and-forget"
    AUDITING = "auditing"
    SETTING_UP = "setting-it-up"
    OTHER_TOPICS = "when-the-topics-are-not-the-same"
    RECORDS_WAIT = "when-records-wait"
    PROBES = "probes"
    SERVER_AWAY = "when-a-server-is-away"


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with something: what is said of it, what to do, and where more is said."""

    verdict: Verdict
    what: str
    words: str
    to_do: str
    section: Section

    def document(self) -> dict[str, str | None]:
        """Return it for programs."""
        return {
            "what": self.what,
            "verdict": self.verdict,
            "says": self.words,
            "toDo": self.to_do or None,
            "section": f"{PAGE}#{self.section}",
        }


async def of_database(engine: AsyncEngine, settings: Settings) -> list[Standing]:
    """Return how it stands with everything that the database knows. Raises what a database raises that is away."""
    try:
        await check(engine, settings.installation, settings.shards, settings.first_shard, only_reads=True)
    except DatabaseRefused as refused:
        section = Section.REFUSES_TO_START
        first, _, rest = str(refused).partition("\n")
        return [Standing(Verdict.TROUBLE, "database", first, rest or "Do what it says.", section)]
    ready = Standing(Verdict.WELL, "database", f"It answers, at revision {head_revision()}.", "", Section.UPGRADING)
    async with engine.connect() as connection:
        return [ready, *[await ask(connection) for ask in _ASKED]]


def is_well(found: Iterable[Standing]) -> bool:
    """Return whether everything is well."""
    return all(one.verdict in {Verdict.WELL, Verdict.NOTE} for one in found)


def is_answering(found: Sequence[Standing]) -> bool:
    """Return whether a database answered all that it was asked."""
    return len(found) > 1


async def _publishing(connection: AsyncConnection) -> Standing:
    events, age = await unpublished(connection), await unpublished_age(connection)
    words = "Every event is published."
    if events:
        words = f"{count_of(events, 'event')} not published yet, the oldest {age:.0f} s old."
    is_late = age > _LONGEST_UNPUBLISHED_SECONDS
    to_do = "See that a relay runs and reaches Kafka: its log says relay_interrupted or role_failed." if is_late else ""
    return Standing(_trouble_if(is_late), "publishing", words, to_do, Section.NOT_PUBLISHED)


async def _slots(connection: AsyncConnection) -> Standing:
    number, free = await without_relay(connection)
    if not free:
        words = "A relay publishes." if number == 1 else f"Each of the {number} slots has a relay."
    elif len(free) == number:
        words = "No relay publishes."
    else:
        words = f"Nobody works on {count_of(len(free), 'slot')} of {number}: {', '.join(map(str, free))}."
    to_do = "Start one; its log says relay_slots_differ where others have another number of slots." if free else ""
    verdict = Verdict.NOTE if len(free) == number else _trouble_if(bool(free))
    return Standing(verdict, "relays", words, to_do, Section.NOT_PUBLISHED)


async def _watermark(connection: AsyncConnection) -> Standing:
    until = await closed_until(connection)
    section = Section.NOT_PUBLISHED
    if until is None:
        return Standing(Verdict.NOTE, "watermark", "Nothing is closed yet: no relay has run.", "Start one.", section)
    age = datetime.now(UTC) - until
    is_late = age > _LONGEST_OPEN
    words = f"Payers are complete up to {age.total_seconds():.0f} s ago."
    to_do = "Look for clocks_apart in the relay's log, and for transactions that hang in PostgreSQL." if is_late else ""
    return Standing(_trouble_if(is_late), "watermark", words, to_do, section)


async def _timers(connection: AsyncConnection) -> Standing:
    found = await overdue(connection)
    is_late = found.seconds > _LONGEST_OVERDUE_SECONDS
    number = sum(found.numbers.values())
    words = f"{count_of(number, 'thing')} due, the first for {found.seconds:.0f} s." if number else "Nothing is due."
    if found.fan_outs:
        words += f" {count_of(found.fan_outs, 'change')} of phase being announced."
    to_do = "See that the role timers runs: its log says timers_interrupted or batch_faulty." if is_late else ""
    return Standing(_trouble_if(is_late), "timers", words, to_do, Section.OVERDUE)


async def _maintenance(connection: AsyncConnection) -> Standing:
    done = await chores_done(connection)
    never = [name for name, at in done.items() if at is None]
    section = Section.KEEP_AND_FORGET
    if not done or never:
        words = f"Not done yet: {', '.join(sorted(never))}." if never else "No chore was ever done."
        return Standing(Verdict.NOTE, "maintenance", words, "See that the role maintenance runs.", section)
    name, at = min(((name, at) for name, at in done.items() if at is not None), key=itemgetter(1))
    age = datetime.now(UTC) - at
    is_late = age > _OLDEST_CHORE
    words = f"Every chore was done {_lasting(age)} ago or later."
    to_do = f"See why {name} is not: the log of the role maintenance says chore_failed." if is_late else ""
    return Standing(_trouble_if(is_late), "maintenance", words, to_do, section)


async def _dead_letters(connection: AsyncConnection) -> Standing:
    waiting = {reason: number for reason, number in (await waiting_dead_letters(connection)).items() if number}
    named = ", ".join(f"{number} {reason}" for reason, number in waiting.items())
    words = f"{sum(waiting.values())} wait for somebody: {named}." if waiting else "None waits."
    to_do = "whopays dead-letters list --waiting; then redrive or discard them." if waiting else ""
    return Standing(_trouble_if(bool(waiting)), "dead letters", words, to_do, Section.DEAD_LETTERS)


async def _audit(connection: AsyncConnection) -> Standing:
    last = await last_audit(connection)
    if last is None:
        return Standing(Verdict.NOTE, "audit", "None was kept yet.", "whopays verify", Section.AUDITING)
    age = datetime.now(UTC) - last.ended_at
    findings = sum(last.findings.values())
    words = f"The last one ended {_lasting(age)} ago, with {count_of(findings, 'finding')}."
    if findings:
        return Standing(Verdict.TROUBLE, "audit", words, "whopays verify names each of them.", Section.AUDITING)
    verdict = Verdict.NOTE if age > _OLDEST_AUDIT else Verdict.WELL
    return Standing(verdict, "audit", words, "whopays verify" if verdict is Verdict.NOTE else "", Section.AUDITING)


async def _replays(connection: AsyncConnection) -> Standing:
    states = [one.state for one in await list_replays(connection)]
    stuck = await waiting_replays(connection)
    running, failed = states.count(ReplayState.RUNNING), states.count(ReplayState.FAILED)
    words = f"{running} running" + (f", {len(stuck)} of them with nobody working on them" if stuck else "")
    words += f", {failed} failed." if failed else "."
    to_do = ""
    if stuck:
        to_do = f"See that a process of the role replays runs. Waiting: {', '.join(stuck[:3])}."
    elif failed:
        to_do = "whopays replay list; then show NAME says why."
    verdict = Verdict.TROUBLE if stuck else Verdict.NOTE if failed else Verdict.WELL
    return Standing(verdict, "replays", words, to_do, Section.SETTING_UP)


_ASKED: Sequence[Callable[[AsyncConnection], Awaitable[Standing]]] = (
    _publishing,
    _slots,
    _watermark,
    _timers,
    _maintenance,
    _dead_letters,
    _audit,
    _replays,
)


def _trouble_if(is_trouble: bool) -> Verdict:
    return Verdict.TROUBLE if is_trouble else Verdict.WELL


def _lasting(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours > 48 else f"{hours:.0f} h" if hours > 2 else f"{60 * hours:.0f} min"
