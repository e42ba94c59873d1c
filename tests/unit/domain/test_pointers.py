"""The pointer of a violation is in the words of the data that was sent (docs/contract.md section 6), everywhere."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from schemas.commands import COMMANDS
from tests.support.copying import copied
from tests.support.packages import ROOT
from tests.unit.domain.building import NOON, Desk
from tests.unit.domain.test_unchanged import FULL

BOTH = {"organization": "acme", "account": "a"}
# Each command with every member that it has, in good form.
COMPLETE: dict[str, dict[str, Any]] = {
    "CreateAccount": BOTH | FULL,
    "UpdateAccount": BOTH | {name: FULL[name] for name in FULL if name != "paymentProfile"} | {"expectedVersion": 1},
    "AttachPaymentProfile": BOTH | {"paymentProfile": "card-1"},
    "DetachPaymentProfile": BOTH,
    "SuspendAccount": BOTH | {"reason": "Administrative", "message": "why"},
    "RequestReactivation": BOTH | {"resolution": "paid", "reasons": ["Administrative"]},
    "ApproveReactivation": BOTH | {"reasons": ["Administrative"]},
    "ReportBalance": BOTH | {"outstanding": "0", "currencyCode": "USD", "asOf": NOON.isoformat()},
    "RequestClosure": BOTH | {"reason": "why"},
    "ApproveClosure": BOTH,
    "WithdrawClosure": BOTH,
    "BindProject": BOTH
    | {"project": "p1", "expectedAccount": "a", "effectiveAt": NOON.isoformat(), "waitSeconds": 0, "reason": "why"},
    "CancelScheduledBinding": {"organization": "acme", "project": "p1"},
    "TransferProjects": {
        "organization": "acme",
        "fromAccount": "a",
        "toAccount": "b",
        "projects": ["p1"],
        "reason": "x",
    },
    "SetDefaultAccount": BOTH,
}
WRONG: tuple[Any, ...] = (None, "", "x\n", 7, 10**6, True, [], {}, ["x", "x"], "9999-12-31T23:59:59Z", "100", "Cfdi")
Path = tuple[str | int, ...]


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in members:
        yield (*path, step)
        yield from _paths(inner, (*path, step))


def _with(data: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return the data with another value at a path; with none of that member where the value is `...`."""
    changed: Any = copied(data)
    *outer, last = path
    inner = changed
    for step in outer:
        inner = inner[step]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return dict(changed)


def _resolves(field: str, command: str) -> bool:
    """Return whether a pointer follows the command's schema, member by member."""
    whole = _schema(command)
    found, definitions = [whole], whole.get("$defs", {})
    for step in field.split("/")[1:]:
        found = [inner for schema in found for inner in _below(schema, step, definitions)]
    return bool(found)


@cache
def _schema(command: str) -> dict[str, Any]:
    return COMMANDS[command].model_json_schema()


def _below(schema: dict[str, Any], step: str, definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in schema:
        yield from _below(definitions[schema["$ref"].rpartition("/")[2]], step, definitions)
    for one in schema.get("anyOf", ()):
        yield from _below(one, step, definitions)
    if step in schema.get("properties", {}):
        yield schema["properties"][step]
    if step.isdigit() and "items" in schema:
        yield schema["items"]


def _desk() -> Desk:
    desk = Desk()
    desk.profile()
    desk.project()
    desk.create(**FULL)
    return desk


def _violated(desk: Desk, name: str, data: dict[str, Any]) -> list[str]:
    said = desk.command(name, dryRun=True, **data)
    return [one.field for one in said.result.violations if one.field is not None]


def test_every_member_of_every_command_is_here() -> None:
    assert COMPLETE.keys() == COMMANDS.keys()
    for name, data in COMPLETE.items():
        assert data.keys() == COMMANDS[name].model_json_schema()["properties"].keys() - {"dryRun"}, name


@pytest.mark.parametrize("name", COMPLETE)
def test_whatever_is_wrong_has_its_own_name(name: str) -> None:
    desk = _desk()
    found = set()
    for path in _paths(COMPLETE[name]):
        if path != ("organization",):
            for value in (*WRONG, ...):
                found |= set(_violated(desk, name, _with(COMPLETE[name], path, value)))
    assert found
    assert [field for field in sorted(found) if not _resolves(field, name)] == []


@pytest.mark.parametrize("kept", ("preferences", "paymentTerms"))
def test_what_only_the_merged_result_breaks(kept: str) -> None:
    """An update of one member, which does not go with what is kept of the others."""
    full, bare = _desk(), Desk()
    bare.create()
    fields = set()
    for path in _paths(FULL[kept]):
        for value in (*WRONG, ..., 2, 59):
            changed = _with(FULL[kept], path, value)
            for desk in (full, bare):
                for said in (changed, {path[0]: changed.get(str(path[0]))}):
                    fields |= set(_violated(desk, "UpdateAccount", {"account": "a", kept: said}))
    assert fields
    assert [field for field in sorted(fields) if not _resolves(field, "UpdateAccount")] == []


@pytest.mark.parametrize(
    ("kept", "said", "field"),
    (
        ({}, {"preferences": {"eInvoicing": {"standard": "Facturae"}}}, "/preferences/eInvoicing/standard"),
        (
            {"preferences": {"taxRegistrations": [{"country": "DE", "number": "136695976"}]}},
            {"preferences": {"eInvoicing": {"standard": "FatturaPa"}}},
            "/preferences/eInvoicing/standard",
        ),
        (
            {"paymentTerms": {"netDays": 60}},
            {"paymentTerms": {"earlyPaymentDiscount": {"percent": "2", "withinDays": 60}}},
            "/paymentTerms/earlyPaymentDiscount/withinDays",
        ),
        (
            {"paymentTerms": {"earlyPaymentDiscount": {"percent": "2", "withinDays": 9}}},
            {"paymentTerms": {"netDays": 9}},
            "/paymentTerms/earlyPaymentDiscount/withinDays",
        ),
    ),
)
def test_examples_of_merged_results(kept: dict[str, Any], said: dict[str, Any], field: str) -> None:
    desk = Desk()
    desk.create(**kept)
    assert _violated(desk, "UpdateAccount", {"account": "a", **said}) == [field]


@pytest.mark.parametrize("name", COMPLETE)
def test_an_unknown_member_is_named_as_it_was_sent(name: str) -> None:
    desk = _desk()
    for outer in [(), *_paths(COMPLETE[name])]:
        inner: Any = COMPLETE[name]
        for step in outer:
            inner = inner[step]
        if isinstance(inner, dict):
            data = _with(COMPLETE[name], (*outer, "un_known"), 1)
            at = "/".join(("", *map(str, outer)))
            # Below a contact the sender's own words are personal.
            expected = at if outer[:1] == ("contact",) else f"{at}/un_known"
            assert _violated(desk, name, data) == [expected]


def test_the_rules_name_members_that_a_command_has() -> None:
    """Pointers are written out in the rules of the state."""
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "domain").glob("*.py")))
    written = set(re.findall(r'field="(/[^"]*)"', sources)) | set(re.findall(r'"(/[a-zA-Z]+)"', sources))
    assert len(written) > 8
    assert [field for field in sorted(written) if not any(_resolves(field, name) for name in COMMANDS)] == []
