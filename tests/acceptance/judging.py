"""Whether the outcome of one record is what its case expects (`cases/FORMAT.md`, section 4)."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from tests.acceptance.case_log import CaseLog, Cause
from tests.acceptance.expand import Generators, count_up
from tests.acceptance.json_types import Json
from tests.acceptance.matching import Bindings, Mismatch, match, matches
from tests.acceptance.records import OutputRecord, Sent
from tests.acceptance.vocabulary import DEFAULT_PREFIX, SHOWN_AT_MOST, TOPIC_OF_EVENT, full_type, short_type, to_instant

_OF_RESULT = ("outcome", "violations", "fields", "attributes", "headers", "announces")


class NotYet(Exception):
    """The expectation is not met, and what is missing may still come."""


class Broken(Exception):
    """The expectation is not met and never will be."""


@dataclass(frozen=True)
class Expected:
    """One expectation: of a record as it was sent or, with `of_final`, of the command's final result."""

    label: str
    sent: Sent
    expect: dict[str, Json]
    of_final: bool = False


@dataclass
class Book:
    """What is known so far: bound names, and how many events of each cause, topic and subject were accounted for."""

    bindings: Bindings = field(default_factory=dict)
    consumed: Counter[tuple[Cause, str, str]] = field(default_factory=Counter)

    def copy(self) -> "Book":
        return Book(dict(self.bindings), Counter(self.consumed))


def judge(expected: Expected, log: CaseLog, book: Book, generators: Generators) -> None:
    """Return once everything that the expectation asks for has come; `book` then holds what was bound and used up.

    Raises `NotYet` or `Broken`; `book` may have been changed even then. What must *not* come is judged at the end
    of the case only (`tests.acceptance.closing`).
    """
    dead_letters = log.dead_letters_of(expected.sent)
    if dead_letters and not expected.sent.expects_dead_letter:
        raise Broken(f"a dead letter came: {dead_letters[0].abbreviated()}")
    result = _result(expected, log)
    for member, written in expected.expect.items():
        try:
            wanted = generators.expand_expected(written)
            if member in _OF_RESULT and result is not None:
                _judge_result(member, wanted, result, book)
            elif member == "events":
                _judge_events(wanted, log, log.cause_of(expected.sent), book)
            elif member == "dead_letter":
                _judge_dead_letter(wanted, dead_letters, log.prefix, book)
        except Mismatch as mismatch:
            came = dead_letters[0] if member == "dead_letter" else result
            within = "" if came is None else f" in {came.abbreviated()}"
            raise Broken(f"{member}: {mismatch}{within}") from mismatch
        except LookupError as missing:
            raise Broken(f"{member}: {missing} is not known") from missing


def instant_of(sent: Sent, log: CaseLog) -> datetime:
    """Return the `time` of a record's first event, or of its result. Raises `LookupError` if none came."""
    events = log.events_of(log.cause_of(sent))
    answers = log.answers(sent)
    first = min(events, key=lambda event: event.position) if events else answers.final or answers.first
    instant = None if first is None else to_instant(first.attributes.get("time"))
    if instant is None:
        raise LookupError(f"the instant of {sent.label}")
    return instant


def lists_events(expect: dict[str, Json] | None) -> bool:
    """Return whether the expectation has a list of events, even an empty one."""
    return expect is not None and ("events" in expect or "quiet" in expect)


def excludes_events(expect: dict[str, Json] | None) -> bool:
    """Return whether the expectation says that no event comes at all."""
    return expect is not None and ("no_events" in expect or "ignored" in expect)


def with_unsaid(entries: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """Return the entries of an `events` list, `count` written out, with the implied `AccountChanged`."""
    written = written_out(entries)
    changed = {entry.get("subject") for entry in written if short_type(entry["type"]) == "AccountChanged"}
    moved = [entry.get("subject") for entry in written if short_type(entry["type"]) == "AccountPhaseChanged"]
    for subject in dict.fromkeys(moved):
        # An entry without a subject is about the only one there is, whatever another entry calls it.
        if changed and (subject in changed or subject is None or None in changed):
            continue
        written.append({"type": "AccountChanged"} | ({} if subject is None else {"subject": subject}))
    return written


def written_out(entries: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """Return the entries, those with a `count` repeated that often."""
    written = []
    for entry in entries:
        single = {name: value for name, value in entry.items() if name != "count"}
        written += [count_up(single, n) for n in range(1, entry["count"] + 1)] if "count" in entry else [single]
    return written


def _result(expected: Expected, log: CaseLog) -> OutputRecord | None:
    sent = expected.sent
    answers = log.answers(sent)
    if expected.of_final:
        final = log.final_of_command(sent)
        if final is None:
            raise NotYet("no final result")
        return final
    if answers.first is None and sent.wants_result:
        raise NotYet("no result")
    outcome = None if answers.first is None else answers.first.data.get("outcome")
    if sent.of_fixture and answers.first is not None and outcome == "Rejected" and not expected.expect:
        raise Broken(f"the fixture's command was refused: {answers.first.abbreviated()}")
    return answers.first


def _judge_result(member: str, wanted: Json, result: OutputRecord, book: Book) -> None:
    match member:
        case "outcome":
            match(wanted, result.data.get("outcome"), book.bindings)
        case "violations":
            _judge_violations(wanted, result, book)
        case "fields":
            match(_types_in_full(wanted), result.data, book.bindings)
        case "attributes":
            match(_type_in_full(wanted), result.attributes, book.bindings)
        case "headers":
            match_headers(wanted, result, book.bindings)
        case _:
            _judge_announced(written_out(wanted), result, book)


def _judge_violations(wanted: Json, result: OutputRecord, book: Book) -> None:
    came = result.data.get("violations")
    if not isinstance(came, list) or not all(isinstance(one, dict) for one in came):
        raise Mismatch("", wanted, came)
    entries = wanted["at_least"] if isinstance(wanted, dict) else wanted
    wanted_reasons = {entry if isinstance(entry, str) else entry["reason"] for entry in entries}
    came_reasons = {str(one.get("reason")) for one in came}
    if not wanted_reasons <= came_reasons or (isinstance(wanted, list) and wanted_reasons != came_reasons):
        raise Mismatch("", wanted, came)
    for entry in entries:
        if isinstance(entry, dict) and not any(matches(entry, one, book.bindings) for one in came):
            raise Mismatch("", entry, came)


def _judge_announced(wanted: list[dict[str, Json]], result: OutputRecord, book: Book) -> None:
    came = result.data.get("events")
    if not isinstance(came, list) or not all(isinstance(one, dict) for one in came):
        raise Mismatch("", wanted, came)
    shown = min(len(wanted), SHOWN_AT_MOST)
    if len(came) != shown or result.data.get("eventCount", len(wanted)) != len(wanted):
        raise Mismatch("", wanted, came)
    left = list(wanted)
    for one in came:
        topic = TOPIC_OF_EVENT.get(short_type(str(one.get("type"))), "")
        candidates = [entry for entry in left if _may_announce(entry, topic, one.get("subject"))]
        # The order counts within a subject of a topic: the first entry about it is the one to come next.
        if not candidates or full_type(candidates[0]["type"]) != one.get("type"):
            raise Mismatch("", wanted, came)
        match({"subject": candidates[0].get("subject", "<any>")}, one, book.bindings)
        left.remove(candidates[0])


def _may_announce(entry: dict[str, Json], topic: str, subject: Json) -> bool:
    return TOPIC_OF_EVENT[short_type(entry["type"])] == topic and entry.get("subject") in (None, subject)


def _judge_events(wanted: list[dict[str, Json]], log: CaseLog, cause: Cause, book: Book) -> None:
    by_subject = log.events_by_subject(cause)
    for entry in with_unsaid(wanted):
        topic = TOPIC_OF_EVENT[short_type(entry["type"])]
        subject = entry.get("subject")
        if subject is None or subject.startswith("<"):
            subjects = [known for known_topic, known in by_subject if known_topic == topic]
            if len(subjects) > 1:
                raise Broken(f"events: {entry['type']} names no subject, and there are {sorted(subjects)}")
            subject = subjects[0] if subjects else None
        place = book.consumed[cause, topic, subject or ""]
        came = by_subject.get((topic, subject or ""), [])
        if place >= len(came):
            raise NotYet(f"events: no {entry['type']} of {subject or 'any subject'} as number {place + 1} of its cause")
        book.consumed[cause, topic, subject or ""] += 1
        _match_event(entry, came[place], book)


def _match_event(entry: dict[str, Json], came: OutputRecord, book: Book) -> None:
    sequence = came.attributes.get("sequence")
    parts: dict[str, Json] = {
        "type": came.attributes.get("type"),
        "subject": came.subject,
        "data": came.data,
        "sequence": int(sequence) if isinstance(sequence, str) and sequence.isdigit() else sequence,
        "attributes": came.attributes,
        "key": came.key_text,
    }
    for member, written in entry.items():
        wanted = written
        if member == "type":
            wanted = full_type(wanted)
        elif member == "attributes":
            wanted = _type_in_full(wanted)
        try:
            if member == "headers":
                match_headers(wanted, came, book.bindings)
            else:
                match(wanted, parts[member], book.bindings, f"/{member}")
        except Mismatch as mismatch:
            raise Broken(f"events: {mismatch} in {came.abbreviated()}") from mismatch


def _judge_dead_letter(wanted: Json, dead_letters: list[OutputRecord], prefix: str, book: Book) -> None:
    if not dead_letters:
        raise NotYet("no dead letter")
    came = dead_letters[0]
    if isinstance(wanted, str):
        wanted = {"reason": wanted}
    for member, value in wanted.items():
        match member:
            case "data":
                match(value, _with_default_prefix(came.data, "topic", prefix), book.bindings, "/data")
            case "attributes":
                attributes = _with_default_prefix(came.attributes, "subject", prefix)
                match(_type_in_full(value), attributes, book.bindings, "/attributes")
            case "headers":
                match_headers(value, came, book.bindings)
            case "key":
                match(value, came.key_text, book.bindings, "/key")
            case _:
                match(value, came.data.get(member), book.bindings, f"/{member}")


def _with_default_prefix(members: dict[str, Json], name: str, prefix: str) -> dict[str, Json]:
    """Return the members as an installation with default settings has them: its topics have another prefix."""
    said = members.get(name)
    if not isinstance(said, str) or not said.startswith(prefix):
        return members
    return members | {name: f"{DEFAULT_PREFIX}{said.removeprefix(prefix)}"}


def match_headers(wanted: dict[str, Json], came: OutputRecord, bindings: Bindings) -> None:
    """Match all Kafka headers of a record: these, each once, and no others."""
    if sorted(name for name, _ in came.headers) != sorted(name for name, text in wanted.items() if text is not None):
        raise Mismatch("/headers", wanted, came.header_texts)
    match(wanted, came.header_texts, bindings, "/headers")


def _types_in_full(fields: dict[str, Json]) -> dict[str, Json]:
    in_full = dict(fields)
    if isinstance(fields.get("commandType"), str) and not fields["commandType"].startswith("<"):
        in_full["commandType"] = full_type(fields["commandType"])
    if isinstance(fields.get("events"), list):
        in_full["events"] = [_type_in_full(entry) for entry in fields["events"]]
    return in_full


def _type_in_full(members: Json) -> Json:
    if not isinstance(members, dict) or not isinstance(members.get("type"), str) or members["type"].startswith("<"):
        return members
    return members | {"type": full_type(members["type"])}
