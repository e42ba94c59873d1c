"""Pointers, and how much of one may be said (docs/contract.md section 6)."""

import pytest

from schemas.pointers import LONGEST_QUOTE, Path, pointer, quotable

_LONG = "x" * LONGEST_QUOTE


def test_pointers_are_escaped() -> None:
    assert [pointer(path) for path in ((), ("a", 0, ""), ("a/b", "~1"))] == ["", "/a/0/", "/a~1b/~01"]


@pytest.mark.parametrize(
    "path",
    (
        (),
        ("contact",),
        *(("contact", name) for name in ("name", "emails", "phone", "address", "accountingContact", "language")),
        *(("contact", "address", name) for name in ("line1", "line2", "postalCode", "city", "country")),
        *(("contact", "accountingContact", name) for name in ("name", "emails")),
        ("contact", "emails", 0),
        ("contacts", "anna"),
        ("x", "contact", "anna"),
        (0, "contact", "anna"),
        (_LONG,),
        (_LONG, 0),
    ),
)
def test_names_of_the_contract_are_said(path: Path) -> None:
    assert quotable(path) == path


@pytest.mark.parametrize(
    ("path", "said"),
    (
        (("contact", "anna"), ("contact",)),
        (("contact", "postal_code"), ("contact",)),
        (("contact", "postalCode"), ("contact",)),
        (("contact", "contact"), ("contact",)),
        (("contact", "address", "anna", "x"), ("contact", "address")),
        (("contact", "name", "anna"), ("contact", "name")),
        (("contact", "emails", 0, "anna"), ("contact", "emails", 0)),
        ((_LONG + "x",), ()),
        ((_LONG, "y"), (_LONG,)),
        (("a", 7, _LONG), ("a", 7)),
    ),
)
def test_other_names_are_not(path: Path, said: Path) -> None:
    assert quotable(path) == said
