"""Which members the parts of a case may have (`cases/FORMAT.md`, sections 3, 4 and 6): an unknown one is an error."""

import base64
from collections.abc import Collection

from tests.acceptance.json_types import FormatError, Json
from tests.acceptance.vocabulary import INPUT_TOPICS, OUTPUT_TOPICS, TOPIC_OF_EVENT, short_type

_SEND = (
    "type", "data", "topic", "id", "source", "authid", "time", "expirytime", "attributes", "key", "mode", "headers",
    "name",
)  # fmt: skip
_MODES = ("structured", "base64", "binary")
_RAW_VALUES = ("value_text", "value_base64", "value")
_OF_RESULT = ("outcome", "violations", "fields", "attributes", "headers", "announces", "events", "no_events")
_OF_RECORD = (*_OF_RESULT, "result", "dead_letter", "ignored", "quiet")
_OF_DEAD_LETTER = ("reason", "data", "attributes", "headers", "key")
_OF_VIOLATION = ("reason", "field", "message", "retryable", "blockers")
_OF_EVENT = ("type", "subject", "data", "sequence", "attributes", "headers", "key", "count")
_OF_TIMELINE = ("account", "number", "ended", "establishedAt", "endedAt", "bindingId")
_OF_HISTORY = ("from", "to", "reason", "message", "by")
_OF_ACCOUNT = (
    "phase", "displayName", "currencyCode", "paymentTerms", "preferences", "contact", "paymentProfile", "holds",
    "activatedAt", "closure", "version",
)  # fmt: skip
_QUESTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "who": (("project",), ("organization", "at")),
    "timeline": (("project",), ("organization",)),
    "account": (("account",), ("organization",)),
    "account_history": (("account",), ("organization",)),
    "projects_of_account": (("account",), ("organization",)),
    "latest": (("topic", "key"), ()),
    "nowhere": ((), ()),
}


def require(holds: bool, problem: str) -> None:
    """Raise `FormatError` with the problem unless the condition holds."""
    if not holds:
        raise FormatError(problem)


def check_members(
    value: Json,
    where: str,
    *,
    required: Collection[str] = (),
    optional: Collection[str] = (),
    one_of: Collection[str] = (),
) -> None:
    """Raise `FormatError` unless `value` is a map with all required members, exactly one of `one_of` where that is
    given, and no member beside these and the optional ones."""
    require(isinstance(value, dict), f"{where}: a map belongs here")
    for name in value:
        require(name in {*required, *optional, *one_of}, f"{where}: the member {name!r} is not known")
    for name in required:
        require(name in value, f"{where}: the member {name!r} is missing")
    if one_of:
        require(sum(name in value for name in one_of) == 1, f"{where}: exactly one of {', '.join(one_of)} is needed")


def check_record(step: dict[str, Json], where: str, *, of_await: bool = False) -> dict[str, Json] | None:
    """Check a record and what is expected of it, and return the latter. Raises `FormatError`."""
    if "send" in step:
        check_members(step["send"], f"{where}: send", required=("type", "data"), optional=_SEND)
        _check_send(step["send"], f"{where}: send")
    if "raw" in step:
        raw = step["raw"]
        optional = ("key", "headers")
        check_members(raw, f"{where}: raw", required=("topic",), optional=optional, one_of=_RAW_VALUES)
        require(raw["topic"] in INPUT_TOPICS, f"{where}: raw: {raw['topic']!r} is no input topic")
        _check_headers(raw, f"{where}: raw")
        require(raw.get("value") is None, f"{where}: raw: value is null, or value_text, or value_base64")
    expect = step.get("expect")
    if expect is not None:
        _check_expect(expect, f"{where}: expect", _OF_RESULT if of_await else _OF_RECORD)
    return expect


def is_base64(value: Json) -> bool:
    """Return whether it is a text that holds bytes in base64."""
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except ValueError:
        return False


def check_question(question: Json, where: str) -> str:
    """Check one entry of `finally`, and return which question it asks. Raises `FormatError`."""
    require(isinstance(question, dict), f"{where}: a question is a map")
    check_members(question, where, one_of=_QUESTIONS, optional=("expect", "contiguous"))
    kind = next(name for name in _QUESTIONS if name in question)
    expect = question.get("expect")
    if kind == "nowhere":
        require("expect" not in question, f"{where}: nowhere expects nothing else")
        require(isinstance(question[kind], list), f"{where}: nowhere is a list of texts")
        return kind
    required, optional = _QUESTIONS[kind]
    check_members(question[kind], f"{where}: {kind}", required=required, optional=optional)
    require("expect" in question, f"{where}: the member 'expect' is missing")
    require("contiguous" not in question or kind == "timeline", f"{where}: contiguous belongs to timeline")
    require(isinstance(question.get("contiguous", True), bool), f"{where}: contiguous is true or false")
    _check_answer(kind, question[kind], expect, f"{where}: expect")
    return kind


def _check_send(send: dict[str, Json], where: str) -> None:
    require(isinstance(send["type"], str), f"{where}: type is a text")
    require(send.get("mode", "structured") in _MODES, f"{where}: {send.get('mode')!r} is no mode")
    require("topic" not in send or send["topic"] in INPUT_TOPICS, f"{where}: {send.get('topic')!r} is no input topic")
    require(isinstance(send.get("attributes", {}), dict), f"{where}: attributes is a map")
    _check_headers(send, where)


def _check_headers(sent: dict[str, Json], where: str) -> None:
    headers = sent.get("headers", {})
    require(isinstance(headers, dict), f"{where}: headers is a map")
    for name, value in headers.items():
        if isinstance(value, dict):
            check_members(value, f"{where}: the header {name}", required=("base64",))
            require(is_base64(value["base64"]), f"{where}: the header {name} is no base64")


def _check_expect(expect: Json, where: str, known: tuple[str, ...]) -> None:
    check_members(expect, where, optional=known)
    for flag, only in (("no_events", True), ("result", False), ("ignored", True), ("quiet", True)):
        require(flag not in expect or expect[flag] is only, f"{where}: {flag} can only be {str(only).lower()}")
    for name in ("fields", "attributes", "headers"):
        require(isinstance(expect.get(name, {}), dict), f"{where}: {name} is a map")
    violations = expect.get("violations", [])
    if isinstance(violations, dict):
        check_members(violations, f"{where}: violations", required=("at_least",))
        violations = violations["at_least"]
    require(isinstance(violations, list), f"{where}: violations is a list")
    for violation in violations:
        if not isinstance(violation, str):
            check_members(violation, f"{where}: violations", required=("reason",), optional=_OF_VIOLATION)
    dead_letter = expect.get("dead_letter", "")
    if not isinstance(dead_letter, str):
        check_members(dead_letter, f"{where}: dead_letter", required=("reason",), optional=_OF_DEAD_LETTER)
        for name in ("data", "attributes", "headers"):
            require(isinstance(dead_letter.get(name, {}), dict), f"{where}: dead_letter: {name} is a map")
    for name, members in (("events", _OF_EVENT), ("announces", ("type", "subject", "count"))):
        entries = expect.get(name, [])
        require(isinstance(entries, list), f"{where}: {name} is a list")
        for entry in entries:
            check_members(entry, f"{where}: {name}", required=("type",), optional=members)
            require(short_type(entry["type"]) in TOPIC_OF_EVENT, f"{where}: {name}: {entry['type']!r} is no event")
            require(isinstance(entry.get("count", 1), int), f"{where}: {name}: count is a whole number")


def _check_answer(kind: str, arguments: dict[str, Json], expect: Json, where: str) -> None:
    if kind in ("timeline", "projects_of_account") and isinstance(expect, dict):
        check_members(expect, where, required=("count",))
    elif kind in ("timeline", "projects_of_account", "account_history"):
        require(isinstance(expect, list), f"{where}: a list belongs here")
        for entry in expect:
            if isinstance(entry, dict):
                check_members(entry, where, optional=_OF_TIMELINE if kind == "timeline" else _OF_HISTORY)
    elif kind == "who":
        check_members(expect, where, required=("account",))
    elif kind == "account" and expect is not None:
        check_members(expect, where, optional=_OF_ACCOUNT)
    elif kind == "latest":
        require(arguments["topic"] in OUTPUT_TOPICS, f"{where}: {arguments['topic']!r} is no output topic")
