"""Whether every command has its answer, and only that: most of invariant 8 of `cases/FORMAT.md`, section 8."""

import re
from collections.abc import Iterator

from tests.acceptance.card_numbers import holds_card_number
from tests.acceptance.case_log import CaseLog, is_repeated, reasons_of
from tests.acceptance.json_types import Json, in_text, to_json
from tests.acceptance.reading import DEEPEST_LEVELS, LARGEST_VALUE_BYTES, levels_of, read_envelope
from tests.acceptance.records import OutputRecord, Sent
from tests.acceptance.vocabulary import ADMISSION_REASONS, COMMAND_TOPIC, TOPIC_OF_FACT

_COMMAND_ID = re.compile(r"[\x20-\x7e]{1,128}")
_IDENTIFIER = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_LONGEST_SOURCE = 256
_CLAIMS_NOTHING = frozenset({*ADMISSION_REASONS, "CommandIdReused"})


def answer_invariants(log: CaseLog) -> Iterator[str]:
    """Yield every way in which the answers to the commands of a case break invariant 8."""
    for check in (_one_result_each, _repetitions, _fingerprints):
        yield from (f"8: {problem}" for problem in check(log))


def _one_result_each(log: CaseLog) -> Iterator[str]:
    """8: one final result for each command; nothing readable among the dead letters."""
    for sent in log.sent:
        if not is_command_to_answer(sent):
            continue
        answers = log.answers(sent)
        repeated = any(other is not sent and other.identity == sent.identity for other in log.sent)
        if log.dead_letters_of(sent) and not sent.expects_dead_letter:
            yield f"{sent.label}: a readable command is dead-lettered: {log.dead_letters_of(sent)[0].abbreviated()}"
        elif answers.first is None and sent.wants_result and (sent.expect is not None or not repeated):
            yield f"{sent.label}: {sent.name} {sent.id} has no result"
        elif answers.first is not None and answers.final is None and sent.awaited:
            yield f"{sent.label}: {sent.name} {sent.id} has no final result"
        first, final = answers.first, answers.final
        if first is not None:
            yield from (f"{sent.label}: {problem}: {first.abbreviated()}" for problem in _answer(sent, first))
        transferred = sent.name == "TransferProjects" and final is not None and final.data.get("outcome") == "Applied"
        if transferred and final is not None and type(final.data.get("projectCount")) is not int:
            yield f"{sent.label}: a transfer without projectCount: {final.abbreviated()}"
    known = {sent.identity: sent for sent in log.sent if sent.identity is not None}
    for sent in known.values():
        left_over = log.served(sent)[1]
        yield from (f"a result too many for {sent.id}: {record.abbreviated()}" for record in left_over)


def _answer(sent: Sent, result: OutputRecord) -> Iterator[str]:
    if result.data.get("commandType") != sent.type:
        yield f"commandType instead of {sent.type}"
    # The members of an unknown command are unknown too.
    if sent.is_dry_run and "UnknownCommand" not in reasons_of(result) and result.data.get("dryRun") is not True:
        yield "the result of a dry run that does not say so"
    if result.data.get("dryRun") is True and result.data.get("bindingId") is not None:
        yield "the bindingId of a dry run"
    for member, named in _named(sent):
        told = result.data.get(member)
        is_hidden = told is None and holds_card_number(sent.data) and holds_card_number(named)
        if told != (named if _is_identifier(named) else None) and not is_hidden:
            yield f"the {member} {told}, and the command names {in_text(named)}"


def _named(sent: Sent) -> Iterator[tuple[str, Json]]:
    """Yield the account and the project that a command names, if it has members for them."""
    if sent.name == "TransferProjects":
        yield "account", sent.data.get("toAccount")
    elif sent.name != "CancelScheduledBinding":
        yield "account", sent.data.get("account")
    if sent.name in ("BindProject", "CancelScheduledBinding"):
        yield "project", sent.data.get("project")


def _is_identifier(name: Json) -> bool:
    return isinstance(name, str) and _IDENTIFIER.fullmatch(name) is not None


def _repetitions(log: CaseLog) -> Iterator[str]:
    """8: a result asked for again equals the last one and says that it is repeated; no other does."""
    identities = dict.fromkeys(sent.identity for sent in log.sent if sent.identity is not None)
    for identity in identities:
        last: OutputRecord | None = None
        for result in log.results_of(identity):
            if not is_repeated(result):
                last = result if _claims(result) else last
            elif last is None or {**last.data, "repeated": True} != result.data:
                before = "nothing" if last is None else last.abbreviated()
                yield f"not what was said before ({before}): {result.abbreviated()}"
    for sent in log.sent:
        answer = log.answers(sent).first
        if answer is None or not sent.asks_again or sent.is_dry_run or is_repeated(answer):
            continue
        same = [other for other in log.sent if other.identity == sent.identity and _content(other) == _content(sent)]
        answers = [first for first in (log.answers(other).first for other in same) if first is not None]
        was_answered = any(_claims(first) and first.position < answer.position for first in answers)
        if was_answered and not set(reasons_of(answer)) & {*ADMISSION_REASONS}:
            yield f"{sent.label}: an answer asked for again does not say that it is repeated: {answer.abbreviated()}"


def _claims(result: OutputRecord) -> bool:
    """Return whether the result is of a command that claimed its id."""
    return not (set(reasons_of(result)) & _CLAIMS_NOTHING or result.data.get("dryRun") is True)


def _fingerprints(log: CaseLog) -> Iterator[str]:
    """8: each result has the fingerprint of its command's meaning, unless the data holds a card number."""
    of_content: dict[str, Json] = {}
    for sent in log.sent:
        answer = log.answers(sent).first
        if not is_command_to_answer(sent) or answer is None:
            continue
        fingerprint = answer.data.get("fingerprint")
        if holds_card_number(sent.data):
            if fingerprint is not None:
                yield f"{sent.label}: a fingerprint of a card number: {answer.abbreviated()}"
        elif not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
            yield f"{sent.label}: the fingerprint {fingerprint}: {answer.abbreviated()}"
        elif of_content.setdefault(_content(sent), fingerprint) != fingerprint:
            yield f"{sent.label}: another fingerprint than that of the same before: {answer.abbreviated()}"


def _content(sent: Sent) -> str:
    """Return a command's content: the same content has the same meaning."""
    data = {name: sent.data[name] for name in sorted(sent.data) if name != "dryRun"}
    return f"{sent.type} {to_json(data)}"


def is_command_to_answer(sent: Sent) -> bool:
    """Return whether the record is certainly a readable CloudEvent 1.0 of a command, with well-formed `id`, `source`,
    `type` and organization."""
    if sent.kind == "raw" or sent.topic != COMMAND_TOPIC or not isinstance(sent.data, dict):
        return False
    envelope = read_envelope(sent)
    if envelope is None or envelope.is_binary != sent.is_binary:
        return False
    known_by = [envelope.attributes.get(name) for name in ("specversion", "id", "source", "type")]
    return (
        known_by == ["1.0", sent.id, sent.source, sent.type]
        and None not in known_by
        and _COMMAND_ID.fullmatch(sent.id) is not None
        and 0 < len(sent.source) <= _LONGEST_SOURCE
        and sent.type != ""
        and sent.name not in TOPIC_OF_FACT
        and _is_identifier(sent.organization)
        and len(sent.value or b"") <= LARGEST_VALUE_BYTES
        and levels_of(sent.data) < DEEPEST_LEVELS
        and not any(unreadable in to_json(sent.data) for unreadable in ("\\u0000", "\\ud"))
    )
