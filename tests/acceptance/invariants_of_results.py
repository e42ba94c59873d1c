"""What must hold for the results of every case: invariants 7 (blockers), 8 (types), 9, 10, 12 of `cases/FORMAT.md`."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.acceptance import shapes
from tests.acceptance.case_log import CaseLog, Cause, is_repeated
from tests.acceptance.json_types import Json, in_text, to_json
from tests.acceptance.records import OutputRecord, Sent
from tests.acceptance.vocabulary import (
    ADMISSION_REASONS,
    COMMAND_TOPIC,
    IDENTITY_REASONS,
    OUTCOMES,
    REASONS,
    RESULT_TOPIC,
    RETRYABLE_REASONS,
    SHAPE_REASONS,
    SHOWN_AT_MOST,
    STATE_REASONS,
    TOPIC_OF_EVENT,
    short_type,
)

_FULL_TYPE = re.compile(r"io\.milo\.billing\.\w+\.v1")
_POINTER = re.compile(r"(/([^~/]|~[01])*)*")
_QUOTED_AT_MOST = 100
_SHORTEST_CONTACT_TEXT = 3


def result_invariants(log: CaseLog) -> Iterator[str]:
    """Yield every way in which the results of a case break invariants 7 to 10 and 12."""
    for record in log.outputs:
        if record.topic != RESULT_TOPIC:
            continue
        shown = record.abbreviated()
        yield from (f"8: {problem}: {shown}" for problem in _types(record))
        yield from (f"9: {problem}: {shown}" for problem in _violations(record))
        for violation in _violations_of(record):
            problems = shapes.blockers(violation.get("reason"), violation.get("blockers"))
            yield from (f"7: {problem}: {shown}" for problem in problems)
    yield from (f"10: {problem}" for problem in _events_as_announced(log))
    for sent in log.sent:
        yield from (f"12: {problem}" for problem in _quotes(log, sent))


def _types(record: OutputRecord) -> Iterator[str]:
    command_type, events = record.data.get("commandType"), record.data.get("events")
    if not isinstance(command_type, str) or not command_type:
        yield f"commandType {command_type}"
    if record.data.get("outcome") not in OUTCOMES:
        yield f"outcome {record.data.get('outcome')}"
    if not isinstance(events, list) or type(record.data.get("eventCount")) is not int:
        yield "no list of events with its eventCount"
        return
    for event in events:
        type_ = event.get("type") if isinstance(event, dict) else None
        if not isinstance(type_, str) or not _FULL_TYPE.fullmatch(type_) or short_type(type_) not in TOPIC_OF_EVENT:
            yield f"the event's type {type_}"


def _violations(record: OutputRecord) -> Iterator[str]:
    """9: the violations of a refused command are in order and from one stage."""
    violations = _violations_of(record)
    reasons = [str(violation.get("reason")) for violation in violations]
    count = record.data.get("violationCount")
    if not isinstance(record.data.get("violations"), list):
        yield "no list of violations"
    if (record.data.get("outcome") == "Rejected") != bool(reasons):
        yield f"{len(reasons)} violations of what is {record.data.get('outcome')}"
    if type(count) is not int or len(reasons) != min(count, SHOWN_AT_MOST):
        yield f"{len(reasons)} violations of {count}"
    if any(reason not in REASONS for reason in reasons):
        yield f"a reason that the contract does not know among {reasons}"
        return
    if reasons != sorted(reasons, key=REASONS.index):
        yield f"the reasons are not in the contract's order: {reasons}"
    if "Unauthenticated" in reasons and len(reasons) > 1:
        yield f"Unauthenticated does not stand alone: {reasons}"
    if len({_stage(reason) for reason in reasons}) > 1:
        yield f"the reasons are of several stages: {reasons}"
    if "Superseded" in reasons and len(reasons) > 1:
        yield f"Superseded does not stand alone: {reasons}"
    for violation in violations:
        if violation.get("retryable") is not (violation.get("reason") in RETRYABLE_REASONS):
            yield f"{violation.get('reason')} with retryable {violation.get('retryable')}"
        field = violation.get("field")
        if field is not None and (not isinstance(field, str) or not _POINTER.fullmatch(field)):
            yield f"{field} is no JSON pointer"
        if not isinstance(violation.get("message"), str):
            yield f"{violation.get('reason')} without a message"


def _events_as_announced(log: CaseLog) -> Iterator[str]:
    """10: a result names what happened; nothing happens if nothing was applied."""
    of_cause: dict[Cause, list[Sent]] = defaultdict(list)
    for sent in log.sent:
        if sent.kind != "raw":
            of_cause[log.cause_of(sent)].append(sent)
    for cause, senders in of_cause.items():
        finals = [log.answers(sent).final for sent in senders]
        # What a repeated result names happened only once.
        results = [result for result in finals if result is None or not is_repeated(result)]
        for result in results:
            if result is not None and result.data.get("outcome") != "Applied" and result.data.get("events"):
                yield f"events of what was not applied: {result.abbreviated()}"
        if any(sent.topic != COMMAND_TOPIC for sent in senders):
            continue
        applied = [result for result in results if result is not None and _was_applied(result)]
        caused = log.events_of(cause)
        for problem in _differences(applied, caused):
            yield f"{cause[1]}: {problem}"


def _differences(applied: list[OutputRecord], caused: list[OutputRecord]) -> Iterator[str]:
    announced = [event for result in applied for event in result.data.get("events") or [] if isinstance(event, dict)]
    counts = [count for result in applied if type(count := result.data.get("eventCount")) is int]
    if len(counts) != len(applied):
        return  # 8 says so
    if sum(counts) != len(caused):
        yield f"{counts} events announced, {len(caused)} came: {[event.abbreviated(120) for event in caused[:10]]}"
    for result, count in zip(applied, counts, strict=True):
        if len(result.data.get("events") or []) != min(count, SHOWN_AT_MOST):
            yield f"{count} events of which not {SHOWN_AT_MOST} at most are shown: {result.abbreviated()}"
    came_of_subject: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for event in caused:
        came_of_subject[event.topic, event.subject].append(event.attributes.get("type"))
    named_of_subject: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for named in announced:
        topic = TOPIC_OF_EVENT.get(short_type(str(named.get("type"))), "")
        named_of_subject[topic, str(named.get("subject"))].append(named.get("type"))
    cut = any(count > SHOWN_AT_MOST for count in counts)
    for place, types in named_of_subject.items():
        came = came_of_subject[place]
        # With several commands under one id, only the sum of what they announced can be told from what came.
        same = Counter(types) == Counter(came) if len(applied) > 1 else types == (came[: len(types)] if cut else came)
        if not same and not (cut and len(applied) > 1):
            yield f"announced of {place[1]}: {types}, came: {came}"


def _quotes(log: CaseLog, sent: Sent) -> Iterator[str]:
    """12: no message or pointer quotes much of what was sent, or any part of a contact."""
    answers = log.answers(sent)
    if sent.kind == "raw" or answers.first is None:
        return
    sent_texts = (*_texts(sent.data), *_texts(sent.attributes), to_json(sent.data))
    long_texts = [text for text in sent_texts if len(text) > _QUOTED_AT_MOST]
    contact = sent.data.get("contact") if isinstance(sent.data, dict) else None
    personal = [text for text in _texts(contact) if len(text.strip()) >= _SHORTEST_CONTACT_TEXT]
    for result in {answers.first, answers.final or answers.first}:
        for violation in _violations_of(result):
            message = str(violation.get("message"))
            for said in (message, str(violation.get("field"))):
                windows = [said[i : i + _QUOTED_AT_MOST + 1] for i in range(len(said) - _QUOTED_AT_MOST)]
                if any(window in text for text in long_texts for window in windows):
                    yield f"{sent.label}: more than {_QUOTED_AT_MOST} characters are quoted: {said}"
            if any(re.search(rf"(?<!\w){re.escape(text)}(?!\w)", message) for text in personal):
                yield f"{sent.label}: a contact is quoted: {message}"


def _texts(value: Json) -> Iterator[str]:
    """Yield every value below, as text, apart from `null` and true/false."""
    match value:
        case dict():
            for name, member in value.items():
                if len(name) > _QUOTED_AT_MOST:
                    yield name
                yield from _texts(member)
        case list():
            for member in value:
                yield from _texts(member)
        case None | bool():
            return
        case _:
            yield in_text(value)


def _stage(reason: str) -> int:
    stages = (ADMISSION_REASONS, IDENTITY_REASONS, SHAPE_REASONS, STATE_REASONS)
    return next(number for number, reasons in enumerate(stages) if reason in reasons)


def _was_applied(result: OutputRecord) -> bool:
    return result.data.get("outcome") == "Applied" and result.data.get("dryRun") is not True


def _violations_of(record: OutputRecord) -> list[dict[str, Json]]:
    violations = record.data.get("violations")
    return [one for one in violations if isinstance(one, dict)] if isinstance(violations, list) else []
