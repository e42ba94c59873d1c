"""What a book knows: what was looked up, and of an account's projects only the first by name."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.book import Book, NotLoaded
from domain.bound_projects import BoundProjects
from domain.state import Account, FanOut, Origin, PaymentProfile
from schemas.events import NoticeKind, PhaseReason
from tests.unit.domain.building import NOON

A = ("acme", "a")
ORIGIN = Origin(caused_by="f-1", sender="/rm")
ACCOUNT = Account(organization="acme", account="a")
PROFILE = PaymentProfile(
    organization="acme", payment_profile="a", kind="CreditCard", state="Valid", version=1, origin=ORIGIN
)
FAN_OUT = FanOut(
    organization="acme",
    account="a",
    number=1,
    kind=NoticeKind.ACCOUNT_READY,
    reason=PhaseReason.REQUIREMENTS_MET,
    message="",
    instant=NOON,
    origin=ORIGIN,
)
# Each question, what looking up its key is called, and the answer where there is nothing.
QUESTIONS: dict[str, tuple[Callable[[Book], Any], dict[str, Any], Any]] = {
    "default_account": (lambda book: book.default_account("acme"), {"organizations": {"acme"}}, None),
    "account": (lambda book: book.account(*A), {"accounts": {A}}, None),
    "contact": (lambda book: book.contact(ACCOUNT), {"contacts": {A}}, None),
    "project": (lambda book: book.project(*A), {"projects": {A}}, None),
    "payment_profile": (lambda book: book.payment_profile(*A), {"payment_profiles": {A}}, None),
    "bound_projects": (lambda book: book.bound_projects(ACCOUNT), {"turning": {A}}, BoundProjects()),
    "bound_projects of an emptied account": (
        lambda book: book.bound_projects(ACCOUNT),
        {"emptied": {A}},
        BoundProjects(),
    ),
    "accounts_attached_to": (lambda book: book.accounts_attached_to(PROFILE), {"reported_profiles": {A}}, []),
    "is_retired": (lambda book: book.is_retired(*A, "u-1"), {"uids": {(*A, "u-1")}}, False),
    "scheduled": (lambda book: book.scheduled(A), {"projects": {A}}, None),
    "queue": (lambda book: book.queue(A), {"projects": {A}}, []),
    "next_pending_number": (lambda book: book.next_pending_number(A), {"projects": {A}}, 1),
    "waited_for": (lambda book: book.waited_for(A), {"turning": {A}}, []),
    "fan_outs": (lambda book: book.fan_outs(A), {"organizations": {"acme"}}, []),
}
OTHERS: dict[str, Any] = {"organizations": {"beta"}} | {
    kind: {("beta", "a"), ("acme", "b")}
    for kind in ("accounts", "contacts", "turning", "emptied", "projects", "payment_profiles", "reported_profiles")
}
# What is no question: how a book is filled and changed, what is due of all that it holds, what a process remembers.
NO_QUESTIONS = {
    "about_account", "about_organization", "about_payment_profile", "about_project", "apply", "changed",
    "expired", "known_projects", "load", "load_bound", "load_page", "look_up", "overdue", "told_at_once",
}  # fmt: skip


@pytest.mark.parametrize(("ask", "looked_up", "nothing"), QUESTIONS.values(), ids=QUESTIONS)
def test_what_was_never_looked_up_is_not_absent(
    ask: Callable[[Book], Any], looked_up: dict[str, Any], nothing: Any
) -> None:
    book = Book()
    book.look_up(**OTHERS, uids={(*A, "u-2")})
    with pytest.raises(NotLoaded, match=r"\bacme(/a)?\b.* not loaded"):
        ask(book)
    book.look_up(**looked_up)
    assert ask(book) == nothing


def test_a_page_that_was_not_loaded_is_not_empty() -> None:
    book = Book()
    with pytest.raises(NotLoaded, match="acme/a"):
        book.page(FAN_OUT)
    book.load_page(FAN_OUT, [], is_last=True)
    assert book.page(FAN_OUT) == ([], True)


def test_every_question_is_asked_here() -> None:
    methods = {name for name in dir(Book()) if not name.startswith("_")}
    assert methods - NO_QUESTIONS == {name.split()[0] for name in QUESTIONS} | {"page"}


def test_looking_up_again_forgets_nothing() -> None:
    book = Book()
    book.look_up(accounts={A})
    book.apply([ACCOUNT])
    book.look_up(accounts={A})
    assert book.account(*A) == ACCOUNT


def test_the_first_by_name_stay_the_first() -> None:
    bound = BoundProjects(5, ["b", "d"], None)
    bound.begin("c")
    bound.begin("e")  # behind those that are known by name
    assert (bound.count, bound.lowest(3)) == (7, ["b", "c", "d"])
    bound.end("c", NOON)
    bound.end("x", NOON + timedelta(hours=1))
    assert (bound.count, bound.lowest(2), bound.last_ended_at) == (5, ["b", "d"], NOON + timedelta(hours=1))


def test_while_few_are_bound_all_are_known() -> None:
    bound = BoundProjects()
    for project in "cab":
        bound.begin(project)
    assert bound.lowest(9) == ["a", "b", "c"]
    for project in "abc":
        bound.end(project, NOON)
    assert (bound.count, bound.lowest(9)) == (0, [])


def test_a_part_of_the_names_is_never_taken_for_all() -> None:
    bound = BoundProjects(3, ["a"], None)
    bound.end("a", NOON)
    bound.begin("a")
    assert bound.count == 3
    with pytest.raises(LookupError, match="3 bound projects are needed and 0 are loaded"):
        bound.lowest(20)


def test_records_of_an_organization_are_its_own() -> None:
    book, another = Book(), replace(FAN_OUT, organization="globex")
    book.load((FAN_OUT, another))
    assert book.about_organization("acme") == (FAN_OUT,)
    assert book.about_organization("globex") == (another,)
    assert book.about_organization("umbrella") == ()
