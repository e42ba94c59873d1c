"""What must hold in every case (`cases/FORMAT.md`, section 8); here what concerns every record.

Each check yields its findings as sentences that begin with the number of the invariant.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.acceptance.case_log import CaseLog
from tests.acceptance.invariants_of_answers import answer_invariants
from tests.acceptance.invariants_of_events import event_invariants
from tests.acceptance.invariants_of_results import result_invariants
from tests.acceptance.reading import ids_said, read_envelope
from tests.acceptance.records import OutputRecord, Sent
from tests.acceptance.vocabulary import (
    COMMAND_TOPIC,
    DEAD_LETTER_TOPIC,
    NAMES_OF_TOPIC,
    RESULT_TOPIC,
    full_type,
    is_trace_parent,
    to_instant,
)

_ID = re.compile(r"[0-9]+-[0-9]+")
_COMMAND_ID = re.compile(r"[\x20-\x7e]{1,128}")
_FEWEST_DIGITS = 13
_SEQUENCE = re.compile(r"[0-9]{20}")
_COUNTED_TOPICS = ("bindings", "accounts")
_EMPTIED_MEMBERS = ("key", "headers", "value", "sha256")


def broken_invariants(log: CaseLog) -> list[str]:
    """Return every way in which the records of a case break an invariant; empty when all hold."""
    of_records = (_envelopes, _topics_and_keys, _sequences, _dead_letters, _passed_on)
    checks = (*of_records, event_invariants, result_invariants, answer_invariants)
    return [*log.problems, *(finding for check in checks for finding in check(log))]


def _envelopes(log: CaseLog) -> Iterator[str]:
    """1: structured CloudEvents with the two headers that they may have, ids of their own."""
    ids = Counter(str(record.envelope.get("id")) for record in log.outputs)
    for id_, times in ids.items():
        if times > 1:
            yield f"1: the id {id_} came {times} times"
    for record in log.outputs:
        for problem in _envelope_problems(record):
            yield f"1: {problem}: {record.abbreviated()}"


def _envelope_problems(record: OutputRecord) -> Iterator[str]:
    if record.value is None:
        yield "a null value"
        return
    if not record.envelope or not isinstance(record.envelope.get("data"), dict):
        yield "no structured CloudEvent with a map for data"
        return
    attributes, headers = record.attributes, record.header_texts
    if len(headers) != len(record.headers):
        yield "a header stands twice"
    trace = {"traceparent": attributes["traceparent"]} if "traceparent" in attributes else {}
    if headers != {"content-type": "application/cloudevents+json"} | trace:
        yield f"the headers {headers}"
    if attributes.get("specversion") != "1.0":
        yield f"specversion {attributes.get('specversion')}"
    if not _ID.fullmatch(str(attributes.get("id"))):
        yield f"id {attributes.get('id')}"
    if not str(attributes.get("source")).startswith("/whopays/"):
        yield f"source {attributes.get('source')}"
    if to_instant(attributes.get("time")) is None:
        yield f"time {attributes.get('time')}"


def _topics_and_keys(log: CaseLog) -> Iterator[str]:
    """2: which type stands on which topic, under which key and subject."""
    places = {(f"{log.prefix}{sent.topic}", sent.partition, sent.offset): sent for sent in log.sent}
    for record in log.outputs:
        if not record.envelope:
            continue
        for problem in _place_problems(record, places):
            yield f"2: {problem}: {record.abbreviated()}"


def _place_problems(record: OutputRecord, places: dict[tuple[str, int, int], Sent]) -> Iterator[str]:
    data = record.data
    if record.attributes.get("type") not in [full_type(name) for name in NAMES_OF_TOPIC[record.topic]]:
        yield f"the type {record.attributes.get('type')} on {record.topic}"
    if record.topic == DEAD_LETTER_TOPIC:
        subject = "/".join(str(data.get(name)) for name in ("topic", "partition", "offset"))
        sent = places.get((str(data.get("topic")), data.get("partition", -1), data.get("offset", -1)))
        key = None if sent is None or data.get("reason") == "CardNumber" else sent.key
    elif record.topic == RESULT_TOPIC:
        subject = str(data.get("organization"))
        key = subject.encode()
    else:
        subject = f"{data.get('organization')}/{data.get('account' if record.topic == 'accounts' else 'project')}"
        key = subject.encode()
    if record.attributes.get("subject") != subject:
        yield f"the subject {record.attributes.get('subject')} instead of {subject}"
    if record.key != key:
        yield f"the key {record.key!r} instead of {key!r}"
    # A bad record's own key may be anything, also what no attribute can hold.
    partition_key = None if key is None else key.decode(errors="replace")
    expressible = partition_key != "" and "\ufffd" not in (partition_key or "")
    if expressible and record.attributes.get("partitionkey") != partition_key:
        yield f"the partitionkey {record.attributes.get('partitionkey')} instead of {partition_key}"


def _sequences(log: CaseLog) -> Iterator[str]:
    """3: 1, 2, 3 … per project and per account, and nowhere else."""
    read: dict[tuple[str, str], list[int]] = defaultdict(list)
    for record in log.outputs:
        sequence = record.attributes.get("sequence")
        if record.topic not in _COUNTED_TOPICS:
            if sequence is not None:
                yield f"3: a sequence on {record.topic}: {record.abbreviated()}"
        elif not isinstance(sequence, str) or not _SEQUENCE.fullmatch(sequence):
            yield f"3: the sequence {sequence} is not twenty digits: {record.abbreviated()}"
        else:
            read[record.topic, record.subject].append(int(sequence))
    for (topic, subject), sequences in read.items():
        if sequences != list(range(1, len(sequences) + 1)):
            yield f"3: the sequence of {subject} on {topic} runs {sequences}"


def _dead_letters(log: CaseLog) -> Iterator[str]:
    """11: what a dead letter must not say, and whose it is."""
    for sent in log.sent:
        caused_by = _ids_of(sent)
        for record in log.dead_letters_of(sent):
            is_hidden = record.cause is None and record.data.get("reason") == "CardNumber" and _has_digits(sent.id)
            if record.cause not in caused_by and not is_hidden:
                yield f"11: the causationid {record.cause} is none of {caused_by}: {record.abbreviated()}"
    for record in log.outputs:
        if record.topic != DEAD_LETTER_TOPIC:
            continue
        data = record.data
        if data.get("topic") == f"{log.prefix}{COMMAND_TOPIC}" and data.get("value") is not None:
            yield f"11: the value of a command: {record.abbreviated()}"
        if data.get("reason") == "CardNumber":
            told = [name for name in _EMPTIED_MEMBERS if data.get(name) is not None]
            if record.key is not None or told:
                what = ", ".join(told) or "a record key"
                yield f"11: the dead letter of a card number has {what}: {record.abbreviated()}"


def _ids_of(sent: Sent) -> set[str | None]:
    """Return the `causationid` that a dead letter of this record may have."""
    envelope = read_envelope(sent)
    if envelope is None:
        # Whether attributes that lack `specversion` are an envelope, the contract leaves open.
        return {None, *ids_said(sent)}
    id_ = envelope.attributes.get("id")
    return {id_ if isinstance(id_, str) and _COMMAND_ID.fullmatch(id_) else None}


def _has_digits(id_: object) -> bool:
    """Return whether an id is long enough in digits to hold a card number, of which nothing is told."""
    return isinstance(id_, str) and sum(map(str.isdigit, id_)) >= _FEWEST_DIGITS


def _passed_on(log: CaseLog) -> Iterator[str]:
    """14: what is passed on is not empty, and a trace is one."""
    for record in log.outputs:
        attributes = record.attributes
        if attributes.get("correlationid", "x") in ("", None):
            yield f"14: an empty correlationid: {record.abbreviated()}"
        if "traceparent" in attributes and not is_trace_parent(attributes["traceparent"]):
            yield f"14: the traceparent {attributes['traceparent']}: {record.abbreviated()}"
