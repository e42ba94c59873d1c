"""What is wrong is said without its values, and without a name below `contact` (docs/contract.md section 6)."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.commands import BindProject
from schemas.contact import Contact
from schemas.scalars import Wire
from tests.unit.schemas.building import BIND, CREATE, command, structured
from tests.unit.schemas.read_commands import CONTACT, broken, in_words, read


@pytest.mark.parametrize("field", ("account", "project", "reason", "expectedAccount", "dryRun"))
def test_a_value_is_never_quoted(field: str) -> None:
    for value in ("Zz" * 3, "z" * 600, ["Zz"], {"Zz": "Zz"}):
        if field == "reason" and value == "ZzZzZz":
            continue
        said = in_words(command(structured("BindProject", BIND | {field: value})))
        assert said
        assert "zz" not in said.lower()


@pytest.mark.parametrize(
    ("model", "data"),
    ((BindProject, BIND | {"waitSeconds": "Secret"}), (Contact, CONTACT | {"name": 47.11, "x": "Secret"})),
)
def test_no_value_is_in_the_text_of_an_error(model: type[Wire], data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(data)
    assert "Secret" not in str(refused.value)
    assert "47.11" not in str(refused.value)


def test_what_was_read_is_changed_by_nobody() -> None:
    bind = read("BindProject", BIND)
    with pytest.raises(ValidationError, match="frozen"):
        bind.account = "other"


def test_a_name_is_quoted_to_a_hundred_characters_only() -> None:
    hundred, more = "n" * 100, "n" * 101
    assert broken("BindProject", BIND | {hundred: 1}) == [("Invalid", f"/{hundred}")]
    assert broken("BindProject", BIND | {more: 1}) == [("Invalid", "")]
    terms = {"paymentTerms": {more: 1}}
    assert broken("CreateAccount", CREATE | terms) == [("Invalid", "/paymentTerms")]
    assert more not in in_words(command(structured("BindProject", BIND | {more: more})))


def test_below_contact_nothing_is_quoted() -> None:
    contact = {"Ottokar": "Quendel", "name": 7, "address": {"Amselgasse": 9}}
    assert broken("BindProject", BIND | {"contact": contact}) == [("Invalid", "/contact")]


@pytest.mark.parametrize("name", ("CreateAccount", "UpdateAccount"))
def test_an_unknown_member_below_contact_is_not_quoted(name: str) -> None:
    """Its name is the sender's own text, and may be a person's."""
    contact: dict[str, Any] = {
        **CONTACT,
        "Ottokar": "Quendel",
        "address": {"line1": "x", "city": "y", "country": "CH", "Amselgasse": 9},
        "accountingContact": {**CONTACT, "Wolkenstein": None},
    }
    message = command(structured(name, CREATE | {"contact": contact}))
    assert sorted((v.field, v.message) for v in message.violations) == [
        ("/contact", "has an unknown member"),
        ("/contact/accountingContact", "has an unknown member"),
        ("/contact/address", "has an unknown member"),
    ]
    for secret in ("Ottokar", "Quendel", "Amselgasse", "Wolkenstein"):
        assert secret not in in_words(message)
    # A name of the contract's own is.
    assert broken(name, CREATE | {"contact": CONTACT | {"phone": "Quendel"}}) == [("Invalid", "/contact/phone")]
    assert broken(name, CREATE | {"contact": CONTACT | {"emails": ["Quendel"]}}) == [("Invalid", "/contact/emails/0")]
