"""What breaks a publisher or a subscriber is told in words; what only adds passes; and nothing released is broken."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.exporting.compatibility import breaks, documents_in
from schemas.forms import INSTANT
from tests.support.contract_files import FOLDER

V1 = documents_in(FOLDER / "v1")
ACCEPTED: dict[str, str] = {}
"""Breaks that are meant, word for word, each with its reason; emptied with every release."""

Change = Callable[[dict[str, Any]], object]


def _members(name: str, *path: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return how to find the members of a message's data, or of one of the objects in them."""

    def find(documents: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = documents[name]
        for step in (*path, "properties"):
            found = found[step]
        return found

    return find


BIND = _members("BindProject")
CREATE = _members("CreateAccount")
CONTACT = _members("CreateAccount", "$defs", "Contact")
TERMS = _members("CreateAccount", "$defs", "PaymentTerms")
FACT = _members("ProjectChanged")
CHANGED = _members("BindingChanged")
CURRENT = _members("BindingChanged", "$defs", "CurrentBinding")
RESULT = _members("CommandCompleted")
VIOLATION = _members("CommandCompleted", "$defs", "Violation")
ENVELOPE = _members("Envelope")
PUBLISHED = _members("PublishedEnvelope")


def _required(name: str, *members: str, still: bool) -> Change:
    def change(documents: dict[str, Any]) -> None:
        kept = set(documents[name].get("required", ()))
        documents[name]["required"] = sorted(kept | set(members) if still else kept - set(members))

    return change


BREAKS_OF_PUBLISHERS: dict[str, tuple[Change, str]] = {
    "a message is gone": (lambda all_: all_.pop("ReportBalance"), "ReportBalance: is gone"),
    "a member is gone": (lambda all_: BIND(all_).pop("reason"), "BindProject reason: is no longer read"),
    "a member of a fact is gone": (lambda all_: FACT(all_).pop("uid"), "ProjectChanged uid: is no longer read"),
    "a member deep inside is gone": (
        lambda all_: CONTACT(all_).pop("phone"),
        "CreateAccount contact.phone: is no longer read",
    ),
    "a member becomes needed": (
        _required("BindProject", "reason", still=True),
        "BindProject reason: may no longer be left out",
    ),
    "a new member is needed from the beginning": (
        lambda all_: (
            BIND(all_).update({"new": {"type": "string"}}),
            _required("BindProject", "new", still=True)(all_),
        ),
        "BindProject new: may no longer be left out",
    ),
    "null is refused": (
        lambda all_: BIND(all_).update(reason=BIND(all_)["reason"]["anyOf"][0]),
        "BindProject reason: took null and takes it no longer",
    ),
    "another type": (
        lambda all_: BIND(all_).update(project={"type": "integer"}),
        "BindProject project: took string and takes it no longer",
    ),
    "a listed value is gone": (
        lambda all_: FACT(all_)["state"]["enum"].remove("Inactive"),
        'ProjectChanged state: takes no longer "Inactive"',
    ),
    "values are listed": (
        lambda all_: FACT(all_)["uid"]["anyOf"][0].update(enum=["a"]),
        "ProjectChanged uid: took any value and takes only listed ones",
    ),
    "a lower maximum": (
        lambda all_: BIND(all_)["waitSeconds"]["anyOf"][0].update(maximum=60),
        "BindProject waitSeconds: maximum was 3600 and is 60",
    ),
    "a higher minimum deep inside": (
        lambda all_: TERMS(all_)["netDays"]["anyOf"][0].update(minimum=7),
        "CreateAccount paymentTerms.netDays: minimum was 1 and is 7",
    ),
    "a first maximum": (
        lambda all_: FACT(all_)["version"].update(exclusiveMaximum=1000),
        "ProjectChanged version: exclusiveMaximum was null and is 1000",
    ),
    "a shorter text": (
        lambda all_: CREATE(all_)["displayName"]["anyOf"][0].update(maxLength=64),
        "CreateAccount displayName: maxLength was 500 and is 64",
    ),
    "another pattern": (
        lambda all_: BIND(all_)["project"].update(pattern="^p"),
        'BindProject project: pattern was "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$" and is "^p"',
    ),
    "fewer entries": (
        lambda all_: CONTACT(all_)["emails"].update(maxItems=1),
        "CreateAccount contact.emails: maxItems was 10 and is 1",
    ),
    "other entries": (
        lambda all_: CONTACT(all_)["emails"]["items"].update(maxLength=64),
        "CreateAccount contact.emails.[]: maxLength was null and is 64",
    ),
    "unknown members are refused": (
        lambda all_: all_["ProjectChanged"].update(additionalProperties=False),
        "ProjectChanged: took unknown members and refuses them",
    ),
    "a further rule": (
        lambda all_: all_["SuspendAccount"].update(dependentRequired={"reason": ["message"]}),
        'SuspendAccount: dependentRequired was null and is {"reason": ["message"]}',
    ),
    "another default": (
        lambda all_: TERMS(all_)["netDays"].update(default=14),
        "CreateAccount paymentTerms.netDays: the default was 30 and is 14",
    ),
    "an attribute is gone": (lambda all_: ENVELOPE(all_).pop("answer"), "Envelope answer: is no longer read"),
    "an attribute becomes needed": (
        _required("Envelope", "time", still=True),
        "Envelope time: may no longer be left out",
    ),
}

BREAKS_OF_SUBSCRIBERS: dict[str, tuple[Change, str]] = {
    "a message is gone": (lambda all_: all_.pop("ProjectBillingNotice"), "ProjectBillingNotice: is gone"),
    "a member is gone": (lambda all_: CHANGED(all_).pop("cause"), "BindingChanged cause: is no longer published"),
    "a member deep inside is gone": (
        lambda all_: CURRENT(all_).pop("currencyCode"),
        "BindingChanged current.currencyCode: is no longer published",
    ),
    "a member may be left out": (
        _required("BindingChanged", "previous", still=False),
        "BindingChanged previous: may now be left out",
    ),
    "a member may be null": (
        lambda all_: CHANGED(all_).update(project={"anyOf": [CHANGED(all_)["project"], {"type": "null"}]}),
        "BindingChanged project: may now be null, which it never was",
    ),
    "a member is never null": (
        lambda all_: CHANGED(all_).update(current=CHANGED(all_)["current"]["anyOf"][0]),
        "BindingChanged current: was null at times and never is any more",
    ),
    "another type": (
        lambda all_: RESULT(all_).update(eventCount={"type": "string"}),
        (
            "CommandCompleted eventCount: was integer at times and never is any more\n"
            "CommandCompleted eventCount: may now be string, which it never was"
        ),
    ),
    "a wider type": (
        lambda all_: RESULT(all_).update(eventCount={"type": "number"}),
        (
            "CommandCompleted eventCount: was integer at times and never is any more\n"
            "CommandCompleted eventCount: may now be number, which it never was"
        ),
    ),
    "a further value": (
        lambda all_: CHANGED(all_)["change"]["enum"].append("Paused"),
        'BindingChanged change: may now be "Paused", which subscribers do not know',
    ),
    "a value is gone": (
        lambda all_: CHANGED(all_)["change"]["enum"].remove("Released"),
        'BindingChanged change: is no longer "Released"',
    ),
    "any value": (
        lambda all_: CHANGED(all_)["change"].pop("enum"),
        "BindingChanged change: was one of listed values and may now be any",
    ),
    "another form": (
        lambda all_: CURRENT(all_)["establishedAt"].pop("pattern"),
        f"BindingChanged current.establishedAt: pattern was {json.dumps(INSTANT.published['pattern'])} and is null",
    ),
    "longer": (
        lambda all_: CHANGED(all_)["project"].update(maxLength=1000),
        "BindingChanged project: maxLength was 253 and is 1000",
    ),
    "unbounded": (
        lambda all_: CHANGED(all_)["project"].pop("maxLength"),
        "BindingChanged project: maxLength was 253 and is null",
    ),
    "entries change": (
        lambda all_: VIOLATION(all_).pop("retryable"),
        "CommandCompleted violations.[].retryable: is no longer published",
    ),
    "an attribute is gone": (
        lambda all_: PUBLISHED(all_).pop("causationid"),
        "PublishedEnvelope causationid: is no longer published",
    ),
    "the other way": (
        lambda all_: all_["BindingChanged"].update({"x-way": "in"}),
        "BindingChanged: was out and is in",
    ),
    "a topic is gone": (lambda all_: all_["asyncapi"]["channels"].pop("notices"), "topic notices: is gone"),
    "a message moves": (
        lambda all_: all_["asyncapi"]["channels"]["accounts"]["messages"].pop("AccountChanged"),
        "topic accounts: AccountChanged is no longer on it",
    ),
    "another record key": (
        lambda all_: all_["asyncapi"]["components"]["messages"]["BindingChanged"]["bindings"]["kafka"]["key"].update(
            description="{project}"
        ),
        'BindingChanged: its record key was "{organization}/{project}" and is "{project}"',
    ),
    "no sequence": (
        lambda all_: all_["asyncapi"]["components"]["messages"]["BindingChanged"]["payload"]["allOf"][1].pop(
            "required"
        ),
        'BindingChanged: what every record has was ["sequence"] and is []',
    ),
}

ADDITIONS: dict[str, Change] = {
    "a message": lambda all_: all_.update(PauseProject=copy.deepcopy(all_["BindProject"])),
    "a member that is read": lambda all_: BIND(all_).update(note={"type": "string"}),
    "a member that is published": lambda all_: (
        CHANGED(all_).update(region={"type": "string"}),
        _required("BindingChanged", "region", still=True)(all_),
    ),
    "a member deep inside": lambda all_: CURRENT(all_).update(region={"type": "string"}),
    "a member that need not be sent any more": _required("BindProject", "account", still=False),
    "a member that is always published now": _required("CommandCompleted", "fingerprint", still=True),
    "null is taken": lambda all_: BIND(all_).update(project={"anyOf": [BIND(all_)["project"], {"type": "null"}]}),
    "a further value is taken": lambda all_: FACT(all_)["state"]["enum"].append("Paused"),
    "any value is taken": lambda all_: FACT(all_)["state"].pop("enum"),
    "more is taken": lambda all_: BIND(all_)["waitSeconds"]["anyOf"][0].update(maximum=7200),
    "everything is taken": lambda all_: BIND(all_)["waitSeconds"]["anyOf"][0].pop("maximum"),
    "any form is taken": lambda all_: BIND(all_)["project"].pop("pattern"),
    "any type is taken": lambda all_: BIND(all_).update(project={}),
    "numbers are taken": lambda all_: FACT(all_).update(version={"type": "number", "minimum": 1}),
    "unknown members are taken": lambda all_: all_["BindProject"].pop("additionalProperties"),
    "a rule falls": lambda all_: (all_["BindProject"].pop("if"), all_["BindProject"].pop("then")),
    "shorter than before": lambda all_: CHANGED(all_)["project"].update(maxLength=63),
    "always the same from now on": lambda all_: RESULT(all_).update(
        dryRun={"const": False}, violationCount={"const": 0}
    ),
    "a form of what had none": lambda all_: CHANGED(all_)["cause"].update({"x-note": "as ever"}),
    "words": lambda all_: (
        BIND(all_)["project"].update(description="Which project."),
        all_["BindProject"].update(examples=[]),
    ),
    "a topic": lambda all_: all_["asyncapi"]["channels"].update(heartbeats={"messages": {}}),
}


def test_nothing_that_was_released_is_broken() -> None:
    [released] = (FOLDER / "released").iterdir()
    assert [said for said in breaks(documents_in(released), V1) if said not in ACCEPTED] == []


@pytest.mark.parametrize(
    ("change", "words"),
    (*BREAKS_OF_PUBLISHERS.values(), *BREAKS_OF_SUBSCRIBERS.values()),
    ids=[*BREAKS_OF_PUBLISHERS, *(f"subscribers: {name}" for name in BREAKS_OF_SUBSCRIBERS)],
)
def test_a_break_is_told_in_words(change: Change, words: str) -> None:
    assert "\n".join(breaks(V1, _changed(change))) == words


@pytest.mark.parametrize("change", ADDITIONS.values(), ids=ADDITIONS)
def test_an_addition_passes(change: Change) -> None:
    assert breaks(V1, _changed(change)) == []


def _changed(change: Change) -> dict[str, Any]:
    documents = copy.deepcopy(V1)
    change(documents)
    assert documents != V1
    return documents
