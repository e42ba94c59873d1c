"""An organization in memory, whose fan-outs go on one page at a time, when they are told to."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from domain import notices
from domain.book import Book
from domain.decision import Clock
from domain.fold import fold
from domain.messages import Answered, Due, DueKind
from domain.state import FanOut
from schemas.events import BindingChanged, ProjectBillingNotice
from schemas.outgoing import Outgoing
from schemas.policy import OperatorPolicy
from schemas.records import Record
from schemas.results import CommandCompleted
from tests.support.saying import ORGANIZATION, read
from tests.support.whole_books import prepare

EVERYTHING = 10**9

Told = dict[str, list[tuple[str, str | None, str]]]


class Organization:
    """Hears records; tells at most `at_once` projects at once, and the others page by page."""

    def __init__(self, at_once: int = EVERYTHING, page: int = EVERYTHING) -> None:
        self._at_once = at_once
        self._page = page
        self._book = Book()
        self._answered = Answered()
        self._now = datetime(2027, 1, 1, tzinfo=UTC)
        self._projects: set[str] = set()
        self._accounts: set[str] = set()
        self.outgoing: list[Outgoing] = []

    def hear(self, *records: Record) -> None:
        """Fold records as one batch."""
        messages = [read(record) for record in records]
        for message in messages:
            said = getattr(message, "command", None) or getattr(message, "fact", None)
            self._projects |= {getattr(said, "project", None) or ""} - {""}
            self._accounts |= {getattr(said, "account", None) or ""} - {""}
        with patch.object(notices, "AT_ONCE", self._at_once), patch.object(notices, "AT_ONCE_IN_ALL", self._at_once):
            prepare(self._book, messages)
            folded = fold(messages, self._book, self._answered, OperatorPolicy(), self._clock())
        self.outgoing += folded.outgoing
        self._book.told_at_once = 0

    def go_on(self, account: str) -> None:
        """Tell the next page of an account's oldest fan-out, as one transaction of the timers does."""
        for fan_out in self._book.fan_outs((ORGANIZATION, account))[:1]:
            names = self._names_yet_to_tell(fan_out)
            self._book.load_page(fan_out, names[: self._page], is_last=len(names) <= self._page)
            due = Due(DueKind.FAN_OUT, ORGANIZATION, account)
            self.outgoing += fold([due], self._book, Answered(), OperatorPolicy(), self._clock()).outgoing

    def finish(self) -> None:
        """Tell all that is yet to be told."""
        while unfinished := [name for name in sorted(self._accounts) if self._book.fan_outs((ORGANIZATION, name))]:
            for name in unfinished:
                self.go_on(name)

    def told(self) -> Told:
        """Return what each project was told, and how its payer changed, in order: kind, account, message."""
        return told(self.outgoing)

    def counts(self) -> list[tuple[str, str, int, tuple[str, ...]]]:
        """Return of each result the command, the outcome, how many events it announces, and the first of them."""
        return [
            (
                event.command_id,
                event.outcome,
                event.event_count,
                tuple(f"{one.type} {one.subject}" for one in event.events),
            )
            for event in (one.event for one in self.outgoing)
            if isinstance(event, CommandCompleted)
        ]

    def _names_yet_to_tell(self, fan_out: FanOut) -> list[str]:
        projects = (self._book.project(ORGANIZATION, name) for name in sorted(self._projects))
        return [
            project.project
            for project in projects
            if project is not None
            and project.account == fan_out.account
            and project.project > fan_out.told
            and project.payer_since is not None
            and project.payer_since <= fan_out.instant
        ]

    def _clock(self) -> Clock:
        self._now += timedelta(seconds=1)
        return Clock(self._now)


def told(outgoing: list[Outgoing]) -> Told:
    """Return what each project was told, and how its payer changed, in order: kind, account, message."""
    found: Told = defaultdict(list)
    for event in (one.event for one in outgoing):
        match event:
            case ProjectBillingNotice():
                found[event.project].append((str(event.kind), event.account, event.message))
            case BindingChanged():
                payer = event.current.account if event.current else None
                found[event.project].append((event.change, payer, ""))
            case _:
                pass
    return dict(found)
