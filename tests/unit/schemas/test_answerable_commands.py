"""What is answered though it is not understood, and what nobody can be answered (docs/contract.md sections 2 and 6)."""

from typing import Any

import pytest

from schemas.records import DeadLetterReason
from tests.unit.schemas.building import BIND, binary, command, record, refusal, structured


@pytest.mark.parametrize(
    "type_",
    (
        "io.milo.billing.FrobnicateAccount.v1", "io.milo.billing.bindProject.v1", "io.milo.billing.BindProject.v2",
        "io.milo.billing.BindProject.v0", "io.milo.billing.BindProject.v01", "io.milo.billing.BindProject",
        "com.example.BindProject.v1", "BindProject.v1", "io.milo.billing.BindProject.v1.v1", "io.milo.billing..v1",
        "io.milo.billing.BindProject.v1 ", "io.milo.billing.Command.v1", "io.milo.billing.BindingChanged.v1",
        "io.milo.billing.ProjectChangedX.v1", "io.milo.billing.ProjectChanged", "x.y",
    ),
)  # fmt: skip
def test_an_unknown_command_is_answered(type_: str) -> None:
    message = command(structured(type_, BIND | {"colour": "red"}))
    assert (message.known, message.command, message.event.type) == (False, None, type_)


@pytest.mark.parametrize("name", ("ProjectChanged", "PaymentProfileChanged"))
@pytest.mark.parametrize("version", ("v1", "v2", "v0", "v77"))
def test_a_fact_is_no_command(name: str, version: str) -> None:
    unanswerable = refusal(lambda: command(structured(f"io.milo.billing.{name}.{version}", BIND)))
    assert unanswerable.reason is DeadLetterReason.UNKNOWN_TYPE


@pytest.mark.parametrize("organization", (None, "", "ACME", "acme\n", 42, True, ["acme"], {"acme": 1}, "x" * 254))
@pytest.mark.parametrize("mode", (structured, binary))
def test_without_an_organization_nobody_is_answered(mode: Any, organization: object) -> None:
    for name in ("BindProject", "FrobnicateAccount"):
        unanswerable = refusal(lambda name=name: command(mode(name, BIND | {"organization": organization})))  # type: ignore[misc]
        assert unanswerable.reason is DeadLetterReason.MISSING_ATTRIBUTE


@pytest.mark.parametrize("data", (None, [], "acme", 42, True, [BIND]))
def test_data_that_is_no_object_has_no_organization(data: object) -> None:
    assert refusal(lambda: command(structured("BindProject", data))).reason is DeadLetterReason.MISSING_ATTRIBUTE


def test_no_data_has_no_organization() -> None:
    bare = record(b'{"specversion":"1.0","id":"1","source":"/s","type":"io.milo.billing.BindProject.v1"}')
    assert refusal(lambda: command(bare)).reason is DeadLetterReason.MISSING_ATTRIBUTE
