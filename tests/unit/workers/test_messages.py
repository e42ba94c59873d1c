"""What a record becomes before it is decided, and the dead letter that a message becomes for a fault of ours."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from db.log import EventTooLarge
from domain.dead_letters import Dead
from domain.messages import Due, DueKind
from schemas.askers import Unidentified
from schemas.asking import Checked
from schemas.facts import ProjectChanged
from schemas.parsing import read_command, read_fact
from schemas.policy import OperatorPolicy
from schemas.records import REDRIVE_HEADER, DeadLetterReason, Record
from tests.unit.schemas.building import BIND, MAX_VALUE_BYTES, PROJECT, command, fact, structured
from workers.batches.messages import (
    dead_letter_for,
    is_keyed_otherwise,
    message_of,
    place_of,
    trail_of_message,
)
from workers.runtime.roles import Role

_READ_FACT = partial(read_fact, model=ProjectChanged, max_value_bytes=MAX_VALUE_BYTES)
_READ_COMMAND = partial(read_command, max_value_bytes=MAX_VALUE_BYTES, policy=OperatorPolicy())
_TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_COMMAND = structured("BindProject", BIND, traceparent=_TRACE_PARENT)
_FACT = structured("ProjectChanged", PROJECT, traceparent=_TRACE_PARENT)
_HERE = "billing.admin-commands/3"
_CHECKED = Unidentified("it has none")
_REDRIVEN = (REDRIVE_HEADER, b"0123456789abcdef0123456789abcdef")


def _faulty(_: Record, **__: Any) -> Any:
    raise LookupError("a bug")


def test_what_can_be_read_is_read() -> None:
    read = message_of(_FACT, _READ_FACT, MAX_VALUE_BYTES, is_private=False)
    assert read == fact(_FACT, ProjectChanged)
    told = message_of(_COMMAND, _READ_COMMAND, MAX_VALUE_BYTES, is_private=True, checked=_CHECKED)
    assert told == command(_COMMAND, checked=_CHECKED)


@pytest.mark.parametrize("is_private", (True, False))
@pytest.mark.parametrize("checked", (None, _CHECKED))
def test_what_cannot_be_answered_becomes_a_dead_letter(is_private: bool, checked: Checked | None) -> None:
    of = structured("BindProject", BIND, id="", traceparent=_TRACE_PARENT)
    found = message_of(of, _READ_COMMAND, MAX_VALUE_BYTES, is_private=is_private, checked=checked)
    assert isinstance(found, Dead)
    assert (found.record, found.reason, found.is_private) == (of, DeadLetterReason.MISSING_ATTRIBUTE, is_private)
    assert (found.boundary, found.organization, found.checked) == (_HERE, "acme", checked)
    assert found.trail.passed_on == {"traceparent": _TRACE_PARENT}
    assert "id" in found.detail


@pytest.mark.parametrize("is_private", (True, False))
@pytest.mark.parametrize("checked", (None, _CHECKED))
def test_a_fault_of_the_reader_is_told_of_and_becomes_a_dead_letter(is_private: bool, checked: Checked | None) -> None:
    with capture_logs() as logged:
        found = message_of(_COMMAND, _faulty, MAX_VALUE_BYTES, is_private=is_private, checked=checked)
    assert [(line["event"], line["place"]) for line in logged] == [("record_faulty", f"{_HERE}/7")]
    assert isinstance(found, Dead)
    assert (found.reason, found.is_private, found.checked) == (DeadLetterReason.HANDLER_FAULT, is_private, checked)
    assert (found.boundary, found.organization) == (_HERE, "acme"), "by its key"
    assert found.detail == "LookupError"
    assert trail_of_message(found).passed_on == {}


_DEAD = Dead(_COMMAND, DeadLetterReason.UNDECODABLE, "why", True, _HERE, organization="globex", checked=_CHECKED)


def test_the_dead_letter_of_a_fault() -> None:
    fault = LookupError("a bug")
    of_command = dead_letter_for(command(_COMMAND, checked=_CHECKED), fault, Role.ADMIN_COMMANDS)
    of_fact = dead_letter_for(fact(_FACT, ProjectChanged), fault, Role.PROJECTS)
    of_dead = dead_letter_for(_DEAD, fault, Role.ADMIN_COMMANDS)
    for letter in (of_command, of_fact, of_dead):
        assert (letter.reason, letter.detail) == (DeadLetterReason.HANDLER_FAULT, "LookupError")
        assert letter.record.key == b"acme"
    told = [(one.boundary, one.organization, one.is_private) for one in (of_command, of_fact, of_dead)]
    assert told == [("acme", "acme", True), ("acme", "acme", False), (_HERE, "globex", True)]
    assert [one.checked for one in (of_command, of_fact, of_dead)] == [_CHECKED, None, _CHECKED]
    passed_on = [one.trail.passed_on for one in (of_command, of_fact, of_dead)]
    assert passed_on == [{"traceparent": _TRACE_PARENT}, {"traceparent": _TRACE_PARENT}, {}]


@pytest.mark.parametrize(("before", "after"), (((("a", b"b"),), ()), ((("a", b"b"), _REDRIVEN), (_REDRIVEN,))))
def test_what_is_too_large_to_be_told_of_keeps_neither_key_nor_headers(before: Any, after: Any) -> None:
    read = command(_COMMAND)
    read = replace(read, record=replace(read.record, headers=before))
    letter = dead_letter_for(read, EventTooLarge("too large"), Role.ADMIN_COMMANDS)
    assert (letter.reason, letter.record.key, letter.record.headers) == (DeadLetterReason.TOO_LARGE, None, after)
    assert (letter.record.value, letter.organization) == (_COMMAND.value, "acme")


def test_whose_key_is_another_organizations() -> None:
    read, told = command(_COMMAND), fact(_FACT, ProjectChanged)
    due = Due(DueKind.FAN_OUT, "acme", "main")
    assert [is_keyed_otherwise(one) for one in (read, told, _DEAD, due)] == [False] * 4
    for key in (b"globex", None, b""):
        assert is_keyed_otherwise(replace(read, record=replace(read.record, key=key)))
        assert is_keyed_otherwise(replace(told, record=replace(told.record, key=key)))
        assert not is_keyed_otherwise(replace(_DEAD, record=replace(_COMMAND, key=key)))


def test_where_a_message_is_from() -> None:
    assert place_of(command(_COMMAND)) == place_of(_DEAD) == f"{_HERE}/7"
    assert place_of(Due(DueKind.FAN_OUT, "acme", "main")) == "FanOut/acme/main"
