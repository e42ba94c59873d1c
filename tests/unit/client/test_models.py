"""The client's messages are the service's own: the same members, types and words; what is not said is left out."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import whopays_client
from schemas import events, facts, results
from schemas.commands import COMMANDS
from schemas.terms import PaymentTermsPatch as ServicePaymentTermsPatch
from whopays_client import (
    CLEAR,
    NOBODY,
    BindProject,
    Command,
    Contact,
    CreateAccount,
    EarlyPaymentDiscount,
    PaymentTerms,
    PaymentTermsPatch,
    Preferences,
    PreferencesPatch,
    ProjectChanged,
    ReportBalance,
    SetDefaultAccount,
    TaxRegistration,
    TransferProjects,
    UpdateAccount,
)
from whopays_client.values import Part

FACTS = {fact.__name__: fact for fact in (facts.ProjectChanged, facts.PaymentProfileChanged)}
EVENTS = {
    event.__name__: event
    for event in (
        events.BindingChanged,
        events.AccountPhaseChanged,
        events.AccountChanged,
        events.ProjectBillingNotice,
        results.CommandCompleted,
        results.DeadLetter,
    )
}
SENT: dict[str, Any] = {**COMMANDS, **FACTS}
NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)


def shape(schema: dict[str, Any], definitions: dict[str, Any] | None = None) -> Any:
    """Return what a JSON Schema says of members, types and words, in a form that can be compared."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        return shape(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        # null is compared by `nulls`; an amount is a string to whoever writes it.
        kinds = [shape(one, definitions) for one in schema["anyOf"] if one.get("type") != "null"]
        return kinds[0] if len(kinds) == 1 else ("any of", sorted(map(repr, kinds)))
    if "enum" in schema or "const" in schema:
        return frozenset(schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "object" if "properties" in schema:
            required = set(schema.get("required", ()))
            return {
                name: (name in required, shape(member, definitions)) for name, member in schema["properties"].items()
            }
        case "array":
            return ("list", shape(schema["items"], definitions))
        case "integer":
            return ("integer", schema.get("minimum"))
        case kind:
            return kind


def of_service(said: Any) -> Any:
    """Return the shape of a message as the service knows it."""
    return shape(TypeAdapter(said).json_schema(mode="serialization"))


@pytest.mark.parametrize("name", SENT)
def test_what_is_sent_has_the_shape_that_the_service_reads(name: str) -> None:
    ours: type[Part] = getattr(whopays_client, name)
    assert shape(ours.model_json_schema(mode="serialization")) == of_service(SENT[name])


@pytest.mark.parametrize("name", EVENTS)
def test_what_is_heard_has_the_shape_that_the_service_publishes(name: str) -> None:
    ours: type[Part] = getattr(whopays_client, name)
    heard, published = shape(ours.model_json_schema(mode="serialization")), of_service(EVENTS[name])
    assert_readable(heard, published)


def assert_readable(heard: Any, published: Any) -> None:
    """Insist that each member that is needed is there, and that each word that is published is known."""
    if isinstance(heard, dict) and isinstance(published, dict):
        assert heard.keys() == published.keys()
        for member, (_, content) in heard.items():
            assert_readable(content, published[member][1])
    elif isinstance(heard, tuple) and isinstance(published, tuple):
        assert heard[0] == published[0]
        if heard[0] == "list":
            assert_readable(heard[1], published[1])
    elif isinstance(heard, frozenset):
        assert heard == published
    elif heard == "object":
        # What stands in the way differs by reason: it is handed on as it is.
        assert published[0] == "any of" or isinstance(published, dict)
    elif heard == "string":
        # Reasons may become more: they are read as text.
        assert published == "string" or isinstance(published, frozenset)
    else:
        assert heard == published


@pytest.mark.parametrize("name", COMMANDS)
def test_null_has_a_meaning_exactly_where_the_service_gives_it_one(name: str) -> None:
    ours: type[Command] = getattr(whopays_client, name)
    aliases = {field: ours.model_fields[field].alias for field in ours.model_fields}
    meant = {aliases[field] for field in COMMANDS[name].null_has_meaning}
    # A default account must be said: null is a value of it like any other.
    assert ours.nulls.keys() == meant | ({"account"} if name == "SetDefaultAccount" else set())


def test_null_takes_back_whatever_can_be_patched() -> None:
    for patch in (PaymentTermsPatch, PreferencesPatch):
        assert patch.nulls.keys() == {field.alias for field in patch.model_fields.values()}


def test_members_that_are_none_are_not_sent() -> None:
    update = UpdateAccount(organization="acme", account="main", contact=None, preferences=None, display_name="Main")
    assert update.data() == {"organization": "acme", "account": "main", "displayName": "Main"}
    assert "expectedAccount" not in bind(expected_account=None).data()
    assert ProjectChanged(organization="acme", project="web", state="Active", version=1, uid=None).data() == {
        "organization": "acme", "project": "web", "state": "Active", "version": 1,
    }  # fmt: skip


def test_null_is_written_where_it_is_meant() -> None:
    patch = PaymentTermsPatch(net_days=30, early_payment_discount=CLEAR)
    update = UpdateAccount(organization="acme", account="main", contact=CLEAR, payment_terms=patch)
    assert update.data()["contact"] is None
    assert update.data()["paymentTerms"] == {"netDays": 30, "earlyPaymentDiscount": None}
    assert bind(expected_account=NOBODY).data()["expectedAccount"] is None
    assert SetDefaultAccount(organization="acme", account=NOBODY).data()["account"] is None


@pytest.mark.parametrize(
    "command",
    (
        UpdateAccount(
            organization="acme", account="main", contact=CLEAR, preferences=PreferencesPatch(e_invoicing=CLEAR)
        ),
        SetDefaultAccount(organization="acme", account=NOBODY),
        BindProject(organization="acme", project="web", account="main", expected_account=NOBODY),
        BindProject(organization="acme", project="web", account="main", expected_account="spare", wait_seconds=5),
    ),
)
def test_what_is_written_reads_as_the_same(command: Part) -> None:
    assert type(command).model_validate_json(json.dumps(command.data())) == command


def test_the_service_reads_what_a_full_command_says() -> None:
    created = CreateAccount(
        organization="acme",
        account="main",
        currency_code="EUR",
        payment_terms=PaymentTerms(early_payment_discount=EarlyPaymentDiscount(percent=Decimal("2.50"), within_days=3)),
        payment_profile="card",
        preferences=Preferences(tax_registrations=(TaxRegistration(country="DE", number="DE136695976"),)),
        contact=Contact(name="Ada", emails=("ada@example.org",)),
    )
    read: Any = COMMANDS["CreateAccount"].model_validate_json(json.dumps(created.data()))
    assert read.payment_terms.early_payment_discount.percent == Decimal("2.5")
    assert read.payment_terms.net_days == 30
    assert read.preferences.tax_registrations[0].number == "136695976"
    assert read.contact.emails == ("ada@example.org",)
    patched = PaymentTermsPatch(net_days=30, invoice_frequency=CLEAR).data()
    assert ServicePaymentTermsPatch.model_validate_json(json.dumps(patched)).model_fields_set == {
        "net_days",
        "invoice_frequency",
    }


@pytest.mark.parametrize(
    ("outstanding", "written"),
    (("0", "0"), (Decimal("1E+3"), "1000"), (7, "7"), (Decimal("-2.500000"), "-2.500000"), ("0.000001", "0.000001")),
)
def test_amounts_are_written_exactly_and_plainly(outstanding: Any, written: str) -> None:
    balance = ReportBalance(
        organization="acme", account="main", outstanding=outstanding, currency_code="EUR", as_of=NOON
    )
    assert balance.data()["outstanding"] == written
    read: Any = COMMANDS["ReportBalance"].model_validate_json(json.dumps(balance.data()))
    assert read.outstanding == Decimal(str(outstanding))


@pytest.mark.parametrize("outstanding", (2.5, "1.0000001", "NaN", "1e40", ""))
def test_amounts_that_cannot_be_exact_are_refused_at_once(outstanding: Any) -> None:
    with pytest.raises(ValidationError):
        ReportBalance(organization="acme", account="main", outstanding=outstanding, currency_code="EUR", as_of=NOON)


@pytest.mark.parametrize("name", ("", "Acme", "acme\n", "a" * 254, "-acme"))
def test_names_that_cannot_be_are_refused_at_once(name: str) -> None:
    with pytest.raises(ValidationError):
        bind(account=name)


def test_misspelt_members_are_refused_at_once() -> None:
    with pytest.raises(ValidationError):
        bind(expectedaccount="spare")
    with pytest.raises(ValidationError):
        TransferProjects(organization="acme", from_account="a", to_account="b", projects=())


def test_personal_data_is_not_shown() -> None:
    contact = Contact(name="Ada Lovelace", emails=("ada@example.org",))
    command = CreateAccount(organization="acme", account="main", contact=contact)
    assert "Ada" not in repr(command)
    assert "ada@" not in str(command)
    with pytest.raises(ValidationError) as refused:
        Contact(name="Ada Lovelace", emails=("ada@example.org",) * 11)
    assert "ada@" not in str(refused.value)


def bind(**more: Any) -> BindProject:
    """Return the command that makes an account the payer of a project."""
    return BindProject(**{"organization": "acme", "project": "web", "account": "main", **more})
