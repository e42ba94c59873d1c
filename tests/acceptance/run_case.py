"""One case from its fixture to its verdict: steps, waiting, questions, marker, and what must not have come."""

import asyncio
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tests.acceptance.case_log import CaseLog
from tests.acceptance.closing import what_should_not_be
from tests.acceptance.expand import ORGANIZATIONS, Generators, rename_organizations
from tests.acceptance.format import DEFAULT_WITHIN_SECONDS, Await, Case, Pause, Question, Record, Sending
from tests.acceptance.invariants import broken_invariants
from tests.acceptance.json_types import Json, to_json
from tests.acceptance.judging import Book, Broken, Expected, NotYet, instant_of, judge
from tests.acceptance.matching import Mismatch
from tests.acceptance.observer import Observer
from tests.acceptance.progress import ConsumerProgress
from tests.acceptance.questions import ASKED_OF_OUTPUTS, Asking, Questions
from tests.acceptance.records import Sent
from tests.acceptance.sending import Sender, build, build_marker, letters
from tests.support.waiting import patience

_STRETCHES = (1, 4, 16)
"""How many times as far ahead a case's instants are when it is tried again, because they passed before it came to them.

The instants are a few seconds ahead, which a busy machine may take for the step before.
"""
_SUFFIX_LETTERS = 8
_AFTER_THE_MARKER_SECONDS = 1.0
_SHOWN_RECORDS = 60


@dataclass(frozen=True)
class Services:
    """What all cases share."""

    sender: Sender
    observer: Observer
    progress: ConsumerProgress
    questions: Questions
    prefix: str


class CaseFailure(Exception):
    """What went wrong in a case."""


@dataclass
class _Run:
    case: Case
    services: Services
    suffix: str
    log: CaseLog
    stretch: int
    book: Book = field(default_factory=Book)
    expectations: list[Expected] = field(default_factory=list)
    sent_by_target: dict[str, Sent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ids = (f"sent-{one}" for one in letters())
        self.home = f"acme-{self.suffix}"

    async def run(self) -> None:
        """Run the case. Raises `CaseFailure`."""
        organizations = [f"{name}-{self.suffix}" for name in ORGANIZATIONS]
        self.services.observer.register(organizations, self.log)
        for step in self.case.steps:
            match step:
                case Sending():
                    await self._send(step)
                case Await():
                    sent = self.sent_by_target[step.target]
                    expect = rename_organizations(step.expect, self.suffix)
                    expected = Expected(f"{step.label}, await {step.target}", sent, expect, of_final=True)
                    await self._until_met(expected, step.within_seconds * self.stretch, datetime.now(UTC))
                case Pause():
                    await asyncio.sleep(step.seconds * self.stretch)
        asked_at = datetime.now(UTC)
        for question in self.case.questions:
            if question.kind not in ASKED_OF_OUTPUTS:
                await self._ask(question, asked_at)
        await self._mark_the_end(organizations)
        for question in self.case.questions:
            if question.kind in ASKED_OF_OUTPUTS:
                await self._ask(question, asked_at)
        problems = what_should_not_be(self.log, self.expectations, self.book) + broken_invariants(self.log)
        if problems:
            raise CaseFailure("at the end of the case:\n" + "\n".join(f"- {problem}" for problem in problems))

    async def _send(self, step: Sending) -> None:
        sending = [(record, self._built(record)) for record in step.records]
        await self.services.sender.send([sent for _, sent in sending], self)
        for record, sent in sending:
            if record.expect is not None or record.of_fixture:
                expected = Expected(record.label, sent, sent.expect or {})
                await self._until_through(expected, record.within_seconds)
                await self._until_met(expected, record.within_seconds, sent.sent_at)

    def _built(self, record: Record) -> Sent:
        members = rename_organizations(record.members, self.suffix, raw=record.kind == "raw")
        expect = rename_organizations(record.expect, self.suffix)
        renamed = replace(record, members=members, expect=expect)
        now = datetime.now(UTC)
        try:
            sent = build(renamed, self._generators(now), self.home, next(self.ids))
        except LookupError as missing:
            raise CaseFailure(f"{record.label} cannot be sent: {missing} is not known") from missing
        names = {record.name, None if record.number is None else str(record.number)} - {None}
        for target in names:
            self.sent_by_target[str(target)] = sent
        sent.awaited = any(isinstance(step, Await) and step.target in names for step in self.case.steps)
        self.log.add_sent(sent)
        return sent

    def claim(self, sent: Sent) -> None:
        self.services.observer.claim(sent, self.log)

    async def _until_through(self, expected: Expected, within_seconds: float) -> None:
        """Wait for a record that need not cause anything: until the service has committed its offset."""
        sent = expected.sent
        if sent.expects_dead_letter or (sent.wants_result and sent.kind != "raw"):
            return
        if not await self.services.progress.wait_until_past(sent, within_seconds):
            dead_letters = [record.abbreviated() for record in self.log.dead_letters_of(sent)]
            read = f"but its dead letter came: {dead_letters}" if dead_letters else "and no dead letter came"
            where = f"{sent.topic} {sent.partition}@{sent.offset}"
            problem = f"no consumer group, or not every one, is past it ({where}) after {within_seconds:g} s, {read}"
            raise CaseFailure(f"{expected.label}: {problem}")

    async def _until_met(self, expected: Expected, within_seconds: float, now: datetime) -> None:
        """Judge with every batch of records that arrives, until the expectation is met, broken, or too late."""
        self.expectations.append(expected)
        deadline = asyncio.get_running_loop().time() + patience(within_seconds)
        while True:
            self.services.observer.raise_if_stopped()
            self.log.arrived.clear()
            book = self.book.copy()
            try:
                judge(expected, self.log, book, self._generators(now, book))
            except NotYet as missing:
                remaining_seconds = deadline - asyncio.get_running_loop().time()
                try:
                    await asyncio.wait_for(self.log.arrived.wait(), max(remaining_seconds, 0))
                except TimeoutError:
                    raise self._failure(expected, f"{missing} within {within_seconds:g} s") from missing
            except Broken as broken:
                raise self._failure(expected, str(broken)) from broken
            else:
                self.book = book
                return

    def _failure(self, expected: Expected, problem: str) -> CaseFailure:
        sent, wanted = _summary(expected.sent), _short(expected.expect)
        return CaseFailure(f"{expected.label} ({sent}): {problem}\nexpected: {wanted}")

    async def _ask(self, question: Question, asked_at: datetime) -> None:
        arguments = rename_organizations(question.arguments, self.suffix)
        renamed = replace(question, arguments=arguments, expect=rename_organizations(question.expect, self.suffix))
        generators = self._generators(asked_at)
        asking = Asking(self.services.questions, self.home, generators, self.book.bindings)
        try:
            if question.kind in ASKED_OF_OUTPUTS:
                asking.judge_outputs(renamed, self.log)
            else:
                await asking.ask(renamed)
        except Mismatch as mismatch:
            what = f"{question.label}, {question.kind} {_short(question.arguments)}"
            raise CaseFailure(f"{what}: {mismatch}") from mismatch
        except LookupError as missing:
            raise CaseFailure(f"{question.label}: {missing} is not known") from missing

    async def _mark_the_end(self, organizations: list[str]) -> None:
        """Send the marker to each organization of the case and wait: what has not come by then never will."""
        touched = [name for name in organizations if name == self.home or self._touches(name)]
        markers = [build_marker(name, f"marker-{self.suffix}") for name in touched]
        for marker in markers:
            self.log.add_sent(marker)
        await self.services.sender.send(markers, self)
        for marker in markers:
            await self._until_met(Expected(marker.label, marker, {}), DEFAULT_WITHIN_SECONDS, marker.sent_at)
        await asyncio.sleep(_AFTER_THE_MARKER_SECONDS)

    def _touches(self, organization: str) -> bool:
        name = organization.encode()
        return any(name in (part or b"") for sent in self.log.sent for part in (sent.key, sent.value))

    def _generators(self, now: datetime, book: Book | None = None) -> Generators:
        return Generators(now, self._instant_of_step, (book or self.book).bindings, self.stretch)

    def _instant_of_step(self, target: str) -> datetime:
        if target not in self.sent_by_target:
            raise LookupError(f"step {target}")
        return instant_of(self.sent_by_target[target], self.log)


async def run_case(case: Case, services: Services) -> str | None:
    """Run one case in its own organizations. Return a report if it fails, else `None`.

    One that waits for instants ahead and fails is run again with them further ahead.
    """
    stretches = _STRETCHES if case.waits_for_instants else _STRETCHES[:1]
    report = None
    for stretch in stretches:
        suffix = "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=_SUFFIX_LETTERS))
        log = CaseLog(services.prefix)
        try:
            await _Run(case, services, suffix, log, stretch).run()
        except CaseFailure as failure:
            report = _report(case, suffix, log, str(failure))
        else:
            return None
    return report


def _report(case: Case, suffix: str, log: CaseLog, problem: str) -> str:
    lines = [f"{case.id} ({case.file}): {case.title}", f"organizations: acme-{suffix}, …", "", problem, "", "sent:"]
    lines += [f"  {sent.label}: {_summary(sent)}" for sent in log.sent[-_SHOWN_RECORDS:]]
    lines += ["", f"came ({len(log.outputs)} records):"]
    lines += [f"  {record.abbreviated()}" for record in log.outputs[-_SHOWN_RECORDS:]]
    return "\n".join(lines)


def _summary(sent: Sent) -> str:
    what = _short(sent.data) if sent.kind != "raw" else repr((sent.value or b"null")[:120])
    return f"{sent.topic} {sent.partition}@{sent.offset} {sent.name or sent.kind} id={sent.id} {what}"


def _short(value: Json, characters: int = 600) -> str:
    try:
        text = to_json(value)
    except TypeError:
        text = repr(value)
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text)} characters)"
