"""The checks of `whopays status`: one sentence each, and how the state in the database is judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from operator import itemgetter

from cli.terminal.output import count_of
from db.audits import LastAudit
from db.watching import Overdue
from schemas.records import DeadLetterReason
from schemas.replays import ReplayState

PAGE = "docs/operations.md"
_LONGEST_UNPUBLISHED_SECONDS = 10.0
_LONGEST_OPEN = timedelta(seconds=15)
_LONGEST_OVERDUE_SECONDS = 10.0
_OLDEST_CHORE = timedelta(days=1)
_OLDEST_AUDIT = timedelta(days=2)


class Verdict(StrEnum):
    """The verdict of a check. A note is only information, not trouble."""

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
"""How a verdict is shown: a word, and its colour, which is readable on light and dark backgrounds."""


class Section(StrEnum):
    """A section of docs/operations.md, by its link anchor."""

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
    """The result of a check: its verdict and message, what to do, and the section of the docs with more."""

    verdict: Verdict
    what: str
    words: str
    to_do: str
    section: Section

    def document(self) -> dict[str, str | None]:
        """Return it as a JSON-compatible dictionary."""
        return {
            "what": self.what,
            "verdict": self.verdict,
            "says": self.words,
            "toDo": self.to_do or None,
            "section": f"{PAGE}#{self.section}",
        }


def is_well(found: Iterable[Standing]) -> bool:
    """Return whether everything is well."""
    return all(one.verdict in {Verdict.WELL, Verdict.NOTE} for one in found)


def of_publishing(events: int, age: float) -> Standing:
    """Check publishing: the number of unpublished events, and the age of the first in seconds."""
    words = "Every event is published."
    if events:
        words = f"{count_of(events, 'event')} not published yet, the oldest {age:.0f} s old."
    is_late = age > _LONGEST_UNPUBLISHED_SECONDS
    to_do = "See that a relay runs and reaches Kafka: its log says relay_interrupted or role_failed." if is_late else ""
    return Standing(_trouble_if(is_late), "publishing", words, to_do, Section.NOT_PUBLISHED)


def of_relays(number: int, free: Sequence[int]) -> Standing:
    """Check the relays: the number of slots, and those without a relay."""
    if not free:
        words = "A relay publishes." if number == 1 else f"Each of the {number} slots has a relay."
    elif len(free) == number:
        words = "No relay publishes."
    else:
        words = f"No relay works on {count_of(len(free), 'slot')} of {number}: {', '.join(map(str, free))}."
    to_do = "Start one; its log says relay_slots_differ where others have another number of slots." if free else ""
    verdict = Verdict.NOTE if len(free) == number else _trouble_if(bool(free))
    return Standing(verdict, "relays", words, to_do, Section.NOT_PUBLISHED)


def of_watermark(until: datetime | None, now: datetime) -> Standing:
    """Check the watermark: the instant up to which payers are complete."""
    section = Section.NOT_PUBLISHED
    if until is None:
        return Standing(Verdict.NOTE, "watermark", "Nothing is closed yet: no relay has run.", "Start one.", section)
    age = now - until
    is_late = age > _LONGEST_OPEN
    words = f"Payers are complete up to {age.total_seconds():.0f} s ago."
    to_do = "Look for clocks_apart in the relay's log, and for transactions that hang in PostgreSQL." if is_late else ""
    return Standing(_trouble_if(is_late), "watermark", words, to_do, section)


def of_timers(found: Overdue) -> Standing:
    """Check the timers: what is due and not handled yet."""
    is_late = found.seconds > _LONGEST_OVERDUE_SECONDS
    number = sum(found.numbers.values())
    words = f"{count_of(number, 'thing')} due, the first for {found.seconds:.0f} s." if number else "Nothing is due."
    if found.fan_outs:
        words += f" {count_of(found.fan_outs, 'change')} of phase being announced."
    to_do = "See that the role timers runs: its log says timers_interrupted or batch_faulty." if is_late else ""
    return Standing(_trouble_if(is_late), "timers", words, to_do, Section.OVERDUE)


def of_maintenance(done: Mapping[str, datetime | None], now: datetime) -> Standing:
    """Check maintenance: when each chore was last done."""
    known = {name: at for name, at in done.items() if at is not None}
    never = sorted(done.keys() - known.keys())
    section = Section.KEEP_AND_FORGET
    if never or not known:
        words = f"Not done yet: {', '.join(never)}." if never else "No chore was ever done."
        return Standing(Verdict.NOTE, "maintenance", words, "See that the role maintenance runs.", section)
    name, at = min(known.items(), key=itemgetter(1))
    age = now - at
    is_late = age > _OLDEST_CHORE
    words = f"Every chore was done within the last {_lasting(age)}."
    to_do = f"See why {name} is not: the log of the role maintenance says chore_failed." if is_late else ""
    return Standing(_trouble_if(is_late), "maintenance", words, to_do, section)


def of_dead_letters(numbers: Mapping[DeadLetterReason, int]) -> Standing:
    """Check the dead letters: how many of each reason are waiting."""
    waiting = {reason: number for reason, number in numbers.items() if number}
    named = ", ".join(f"{number} {reason}" for reason, number in waiting.items())
    words = f"{sum(waiting.values())} are waiting: {named}." if waiting else "None waits."
    to_do = "whopays dead-letters list --waiting; then redrive or discard them." if waiting else ""
    return Standing(_trouble_if(bool(waiting)), "dead letters", words, to_do, Section.DEAD_LETTERS)


def of_audit(last: LastAudit | None, now: datetime) -> Standing:
    """Check the last audit: its age and its findings."""
    if last is None:
        return Standing(Verdict.NOTE, "audit", "No audit is stored yet.", "whopays verify", Section.AUDITING)
    age = now - last.ended_at
    findings = sum(last.findings.values())
    words = f"The last one ended {_lasting(age)} ago, with {count_of(findings, 'finding')}."
    if findings:
        return Standing(Verdict.TROUBLE, "audit", words, "whopays verify names each of them.", Section.AUDITING)
    verdict = Verdict.NOTE if age > _OLDEST_AUDIT else Verdict.WELL
    return Standing(verdict, "audit", words, "whopays verify" if verdict is Verdict.NOTE else "", Section.AUDITING)


def of_replays(states: Sequence[ReplayState], stuck: Sequence[str]) -> Standing:
    """Check the replays: their states, and the names of those that no process works on."""
    running, failed = states.count(ReplayState.RUNNING), states.count(ReplayState.FAILED)
    words = f"{running} running" + (f", {len(stuck)} of them without a process" if stuck else "")
    words += f", {failed} failed." if failed else "."
    to_do = ""
    if stuck:
        to_do = f"See that a process of the role replays runs. Waiting: {', '.join(stuck[:3])}."
    elif failed:
        to_do = "whopays replay list; then show NAME says why."
    verdict = Verdict.TROUBLE if stuck else Verdict.NOTE if failed else Verdict.WELL
    return Standing(verdict, "replays", words, to_do, Section.SETTING_UP)


def _trouble_if(is_trouble: bool) -> Verdict:
    return Verdict.TROUBLE if is_trouble else Verdict.WELL


def _lasting(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours > 48 else f"{hours:.0f} h" if hours > 2 else f"{60 * hours:.0f} min"
