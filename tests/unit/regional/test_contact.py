"""Contacts: complete and well formed, quoted nowhere."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.contact import Contact
from schemas.policy import STORED
from tests.unit.regional.places import faults

DESK: dict[str, Any] = {"name": "Desk", "emails": ["desk@example.com"]}
ADDRESS = {"line1": "Seestrasse 4", "city": "Thun", "country": "CH"}


@pytest.mark.parametrize(
    "more",
    (
        {},
        {"emails": [f"desk{number}@example.com" for number in range(10)]},
        {"emails": ["münz@bücher.example", "用户@例え.example", "o'hara+bills@xn--bcher-kva.example", "ops@acme.test"]},
        *(
            {"phone": phone}
            for phone in ("+41445550142", "+12025550123", "+390612345678", "+442079460000", "+491222222222222", None)
        ),
        {"address": ADDRESS},
        {"address": ADDRESS | {"line2": "Hinterhaus", "postalCode": "3600"}},
        {"accountingContact": {"name": "Books", "emails": ["books@example.com"]}},
        {"language": "de-CH", "address": None, "accountingContact": None},
    ),
)
def test_valid_contacts(more: dict[str, Any]) -> None:
    assert faults(Contact, DESK | more) == {}


@pytest.mark.parametrize(
    ("contact", "places"),
    (
        ({"name": "Desk"}, ["/emails"]),
        ({"emails": ["a@example.com"]}, ["/name"]),
        (DESK | {"name": None}, ["/name"]),
        (DESK | {"name": " "}, ["/name"]),
        (DESK | {"name": "a\x1bb"}, ["/name"]),
        (DESK | {"name": "x" * 501}, ["/name"]),
        (DESK | {"emails": []}, ["/emails"]),
        (DESK | {"emails": ["desk@example.com"] * 11}, ["/emails"]),
        (DESK | {"emails": "a@example.com"}, ["/emails"]),
        (DESK | {"emails": ["a@example.com", "not-an-email", 7]}, ["/emails/1", "/emails/2"]),
        *(
            (DESK | {"emails": [email]}, ["/emails/0"])
            for email in (
                *(
                    "a@example.com\n",
                    "@@@@@",
                    "",
                    " a@example.com",
                    "Desk <a@example.com>",
                    "a@localhost",
                    "a@[10.0.0.1]",
                ),
                *("a@example", "a b@example.com", "a@ex\u202eample.com", "a" * 65 + "@example.com", "a\0@example.com"),
            )
        ),
        *(
            (DESK | {"phone": phone}, ["/phone"])
            for phone in (
                *(
                    "0445550142",
                    "+41 44 555 01 42",
                    "+410445550142",
                    "+41-445550142",
                    "tel:+41445550142",
                    "+41",
                    "+4144",
                ),
                *(
                    "+999445550142",
                    "0041445550142",
                    "+41445550142;ext=1",
                    "+41445550142\n",
                    "+4912222222222222",  # 16 digits, as Germany's own plan allows
                    "+6212222222222222222",
                    "",
                    "+4144555014212345678",
                    41,
                ),
            )
        ),
        (DESK | {"language": "xx"}, ["/language"]),
        (DESK | {"fax": "+41445550142"}, ["/fax"]),
        (DESK | {"address": {}}, ["/address/line1", "/address/city", "/address/country"]),
        (DESK | {"address": ADDRESS | {"country": "UK"}}, ["/address/country"]),
        (DESK | {"address": ADDRESS | {"country": "Schweiz"}}, ["/address/country"]),
        (DESK | {"address": ADDRESS | {"city": ""}}, ["/address/city"]),
        (DESK | {"address": ADDRESS | {"region": "BE"}}, ["/address/region"]),
        (DESK | {"accountingContact": {"name": "Books"}}, ["/accountingContact/emails"]),
        (DESK | {"accountingContact": DESK | {"phone": "+41445550142"}}, ["/accountingContact/phone"]),
    ),
)
def test_every_fault_has_its_place(contact: dict[str, Any], places: list[str]) -> None:
    assert list(faults(Contact, contact)) == places


def test_what_is_kept_is_canonical() -> None:
    contact = Contact.model_validate({"name": "Cafe\u0301", "emails": ["A@EXAMPLE.com"], "language": "DE-ch"})
    assert (contact.name, contact.emails, contact.language) == ("Caf\u00e9", ("A@example.com",), "de-CH")


def test_what_is_stored_is_not_checked_again() -> None:
    stored = {
        "name": "Desk",
        "emails": ["desk@nowhere"],
        "phone": "+999445550142",
        "language": "xx-withdrawn",
        "address": {"line1": "Kaya 1", "city": "Willemstad", "country": "AN"},
    }
    assert set(faults(Contact, stored)) == {"/emails/0", "/phone", "/language", "/address/country"}
    kept = Contact.model_validate(stored, context=STORED)
    assert kept.model_dump(mode="json", by_alias=True, exclude_none=True) == stored


def test_nothing_of_a_contact_is_quoted() -> None:
    sent = "Quendel\u202e"
    wrong = {
        "name": sent,
        "emails": [sent],
        "phone": sent,
        "address": {"line1": sent, "line2": sent, "postalCode": sent, "city": sent, "country": sent},
        "accountingContact": {"name": sent, "emails": sent},
        "language": sent,
    }
    assert "Quendel" not in str(faults(Contact, wrong))
    with pytest.raises(ValidationError) as error:
        Contact.model_validate(wrong)
    assert "Quendel" not in str(error.value)

    contact = Contact.model_validate(DESK | {"address": ADDRESS, "accountingContact": DESK})
    for printed in (repr(contact), str(contact), repr(contact.address), f"{[contact]}"):
        assert not {"Desk", "example", "Thun"} & set(printed.replace("(", " ").split())
    assert repr(contact) == "Contact()"
