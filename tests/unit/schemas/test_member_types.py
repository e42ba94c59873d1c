"""Every member of every message refuses every JSON type that it does not take; the members come from the schemas."""

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from pydantic import TypeAdapter

from schemas.commands import COMMANDS
from schemas.facts import AnyFact, PaymentProfileChanged, ProjectChanged
from schemas.pointers import Path, pointer
from schemas.records import DeadLetterReason, Record
from schemas.scalars import Wire
from tests.unit.schemas.building import PROFILE, PROJECT, command, fact, refusal, structured
from tests.unit.schemas.read_commands import CONTACT

SAMPLES: dict[str, list[Any]] = {
    "null": [None],
    "boolean": [True, False],
    "integer": [7, -1, 0],
    "number": [1.5, 2.0, 1e300],
    "string": ["", "text", "7", "true"],
    "array": [[], ["text"], [None]],
    "object": [{}, {"x": 1}],
}
TERMS = {
    "netDays": 60,
    "earlyPaymentDiscount": {"percent": "2.5", "withinDays": 10},
    "latePaymentPenalty": {"annualPercent": "9", "graceDays": 3},
}
PREFERENCES = {
    "taxRegistrations": [{"country": "DE", "number": "DE136695976"}],
    "eInvoicing": {"standard": "XRechnung", "address": "x"},
    "invoiceLanguage": "de",
}
FULL_CONTACT = CONTACT | {
    "address": {"line1": "x", "line2": "y", "postalCode": "1", "city": "Bern", "country": "CH"},
    "accountingContact": CONTACT,
    "phone": "+41445550100",
    "language": "de",
}
SAID: dict[str, Any] = {
    "organization": "acme",
    "dryRun": False,
    "account": "a",
    "project": "p1",
    "displayName": "Lab",
    "currencyCode": "EUR",
    "paymentTerms": TERMS,
    "paymentProfile": "card-1",
    "preferences": PREFERENCES,
    "contact": FULL_CONTACT,
    "expectedVersion": 1,
    "reason": "text",
    "message": "text",
    "resolution": "paid",
    "reasons": ["PaymentFailure"],
    "outstanding": "0",
    "asOf": "2027-01-31T12:00:00Z",
    "expectedAccount": "b",
    "effectiveAt": "2027-01-31T12:00:00Z",
    "waitSeconds": 0,
    "fromAccount": "a",
    "toAccount": "b",
    "projects": ["p1"],
}
FACTS: dict[str, Any] = {
    "ProjectChanged": PROJECT | {"uid": "u", "displayName": "Lab"},
    "PaymentProfileChanged": PROFILE
    | {"reference": "tok", "country": "DE", "expiresAt": "2027-01-31T12:00:00Z", "reason": "x"},
}
FACT_MODELS: dict[str, type[AnyFact]] = {
    "ProjectChanged": ProjectChanged,
    "PaymentProfileChanged": PaymentProfileChanged,
}
MESSAGES: dict[str, type[Wire]] = {**COMMANDS, **FACT_MODELS}


def _complete(name: str) -> dict[str, Any]:
    """Return a message with every member that it can have."""
    if name in FACTS:
        return copy.deepcopy(FACTS[name])
    members = [field.alias or "" for field in MESSAGES[name].model_fields.values()]
    said: dict[str, Any] = {member: copy.deepcopy(SAID[member]) for member in members}
    return said | ({"reason": "PaymentFailure"} if name == "SuspendAccount" else {})


def _members(name: str) -> Iterator[tuple[Path, set[str]]]:
    """Return every member of a message, those within others too, with the JSON types that it takes."""
    schema = TypeAdapter(MESSAGES[name]).json_schema(by_alias=True)
    yield from _within(schema, schema.get("$defs", {}), ())


def _within(schema: dict[str, Any], known: dict[str, Any], path: Path) -> Iterator[tuple[Path, set[str]]]:
    for part in _alternatives(schema, known):
        for member, of_member in part.get("properties", {}).items():
            yield (*path, member), _types(of_member, known)
            yield from _within(of_member, known, (*path, member))
        if "items" in part:
            yield (*path, 0), _types(part["items"], known)
            yield from _within(part["items"], known, (*path, 0))


def _alternatives(schema: dict[str, Any], known: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in schema:
        yield from _alternatives(known[schema["$ref"].rpartition("/")[2]], known)
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _alternatives(one, known)
    else:
        yield schema


def _types(schema: dict[str, Any], known: dict[str, Any]) -> set[str]:
    types = {part.get("type", "string") for part in _alternatives(schema, known)}
    # What pydantic would take as a number or as its text, the contract takes as text alone (section 2).
    types = types - {"number"} if "string" in types else types
    return types | ({"null"} if "default" in schema else set())


WRONG = [
    (name, path, value)
    for name in MESSAGES
    for path, types in _members(name)
    for of_type, values in SAMPLES.items()
    if of_type not in types
    for value in values
]


def _set(said: Any, path: Path, value: Any) -> None:
    for step in path[:-1]:
        said = said[step]
    said[path[-1]] = value


def test_all_members_are_there() -> None:
    assert len({(name, path) for name, path, _ in WRONG}) > 150
    for name, path, _ in WRONG:
        said: Any = _complete(name)
        for step in path[:-1]:
            said = said[step]
    for name in COMMANDS:
        assert command(structured(name, _complete(name))).violations == ()


@pytest.mark.parametrize("name", MESSAGES)
def test_a_member_of_another_type_is_refused_by_name(name: str) -> None:
    for of, path, value in WRONG:
        if of != name or path == ("organization",):
            continue
        said = _complete(name)
        _set(said, path, value)
        if name in COMMANDS:
            message = command(structured(name, said))
            assert message.command is None, (path, value)
            assert pointer(path) in [broken.field for broken in message.violations], (path, value)
        else:
            unanswerable = refusal(partial(_read, name, structured(name, said)))
            assert unanswerable.reason is DeadLetterReason.INVALID_FACT
            assert unanswerable.detail.startswith(f"{pointer(path)}: "), (path, value)


@pytest.mark.parametrize("name", MESSAGES)
def test_an_organization_of_another_type(name: str) -> None:
    for value in (value for of, path, value in WRONG if of == name and path == ("organization",)):
        said = structured(name, _complete(name) | {"organization": value})
        assert refusal(partial(_read, name, said)).reason in (
            DeadLetterReason.MISSING_ATTRIBUTE,
            DeadLetterReason.INVALID_FACT,
        )


def _read(name: str, said: Record) -> object:
    return command(said) if name in COMMANDS else fact(said, FACT_MODELS[name])
