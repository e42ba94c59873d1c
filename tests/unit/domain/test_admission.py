"""Who is let in where tokens are checked (docs/contract.md sections 6 and 12): before anything else is judged."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.askers import Asker, Role, Unidentified, Verified, grants_of
from schemas.asking import Asked, Checked
from schemas.results import Outcome, Reason
from tests.unit.domain.building import Desk, Said, ready_desk
from tests.unit.schemas.building import binary, command, structured

ISSUER = "https://login.example"
BIND: dict[str, Any] = {"organization": "acme", "project": "p1", "account": "a"}
ADMIN = [{"organization": "acme", "role": "account-admin"}]
BINDS = [{"organization": "acme", "role": "project-owner"}, {"organization": "acme", "role": "account-user"}]
APPROVES = [*ADMIN, {"organization": "acme", "role": "approver"}]


def token(
    person: str = "alice", *grants: dict[str, Any], issuer: str = ISSUER, of: tuple[str, str] | None = None
) -> Verified:
    """Return a token that was verified."""
    read, ignored = grants_of(list(grants))
    return Verified(Asker(person, issuer, read, ignored), datetime(2030, 1, 1, tzinfo=UTC), of)


def ask(desk: Desk, checked: Checked, name: str = "BindProject", data: Any = None, **envelope: Any) -> Said:
    """Send a command with a token; its envelope has no authid unless one is given."""
    return desk.hear(command(structured(name, data or BIND, **({"authid": None} | envelope)), None, checked))


def test_whose_token_it_is_asks() -> None:
    said = ask(ready_desk(), token("\uff21lice", *BINDS))
    assert said.outcome is Outcome.APPLIED
    assert said.outgoing[-1].sender == said.outgoing[0].sender == "\uff21lice"
    assert said.binding.cause.by == "\uff21lice"
    assert said.outgoing[-1].asked == Asked("alice", ISSUER, (Role.PROJECT_OWNER, Role.ACCOUNT_USER))
    assert said.outgoing[0].asked is None


@pytest.mark.parametrize("authid", ("alice", "Alice", "\uff21lice"))
def test_an_authid_may_repeat_the_person(authid: str) -> None:
    for mode in (structured, binary):
        said = ready_desk().hear(command(mode("BindProject", BIND, authid=authid), None, token("alice", *BINDS)))
        assert said.outcome is Outcome.APPLIED
        assert said.outgoing[-1].sender == "alice"


@pytest.mark.parametrize("authid", ("bob", "", "alice ", "al\u200dice", "system:x", "a" * 257, 7, True, "alice.x.y"))
def test_an_authid_that_is_another_persons(authid: Any) -> None:
    desk = ready_desk()
    said = ask(desk, token("alice", *BINDS), authid=authid)
    _insist_on_unauthenticated(said, "authid")
    assert said.outgoing[-1].asked == Asked("alice", ISSUER)
    assert ask(desk, token("alice", *BINDS)).outcome is Outcome.APPLIED


def test_an_authid_that_is_no_text() -> None:
    record = structured("BindProject", BIND, authid={"alice": 1})
    _insist_on_unauthenticated(ready_desk().hear(command(record, None, token("alice", *BINDS))), "authid")


@pytest.mark.parametrize(("source", "id_"), (("/tests", "c-2"), ("/other", "c-1"), ("c-1", "/tests"), ("", "")))
def test_a_token_for_another_command(source: str, id_: str) -> None:
    desk = ready_desk()
    said = ask(desk, token("alice", *BINDS, of=(source, id_)), authid="alice")
    _insist_on_unauthenticated(said, "command")
    assert ask(desk, token("alice", *BINDS, of=("/tests", "c-1"))).outcome is Outcome.APPLIED


def test_nobody_asks_where_the_token_did_not_hold() -> None:
    said = ask(ready_desk(), Unidentified("the token has expired"), authid="alice")
    _insist_on_unauthenticated(said, "the token has expired")
    assert said.outgoing[-1].asked is None
    assert said.folded.refused == {Reason.UNAUTHENTICATED: 1}


@pytest.mark.parametrize(
    ("data", "envelope"),
    (
        ({}, {"id": "taken"}),
        ({}, {"expirytime": "2000-01-01T00:00:00Z"}),
        ({}, {"answer": "once more"}),
        ({"colour": "red", "reason": "4111111111111111"}, {}),
        ({"project": "ghost", "account": "ghost"}, {}),
        ({"dryRun": True}, {}),
    ),
)
@pytest.mark.parametrize("who", (Unidentified("no token"), token("alice"), token("alice", *ADMIN)))
def test_whoever_is_not_let_in_is_told_so_and_nothing_else(
    who: Checked, data: dict[str, Any], envelope: dict[str, Any]
) -> None:
    desk = ready_desk()
    ask(desk, token("bob", *BINDS), id="taken")
    before = desk.memory()
    said = ask(desk, who, data=BIND | data, **envelope)
    if isinstance(who, Unidentified):
        assert said.reasons == ["Unauthenticated"]
    else:
        assert set(said.reasons) == {"Forbidden"}
        fields = [one.field for one in said.result.violations]
        assert fields == (["/project"] if who.asker.grants else ["/project", "/account"])
        assert said.outgoing[-1].sender == "alice"
        assert said.outgoing[-1].asked == Asked("alice", ISSUER)
    assert not said.folded.claims
    assert len(said.folded.unclaimed) == 1
    assert sum(said.folded.refused.values()) == 1
    assert desk.memory() == before


def test_an_unknown_command_needs_any_role() -> None:
    desk = ready_desk()
    viewer = token("eve", {"organization": "acme", "role": "viewer", "projects": ["x"]})
    assert ask(desk, viewer, "FrobnicateAccount").reasons == ["UnknownCommand"]
    assert ask(desk, viewer, "io.milo.billing.BindProject.v2", id="c-2").reasons == ["UnknownCommand"]
    stranger = token("eve", {"organization": "other", "role": "operator"})
    said = ask(desk, stranger, "FrobnicateAccount", id="c-3")
    assert [(one.reason, one.field) for one in said.result.violations] == [("Forbidden", "/organization")]


def test_a_claimed_id_is_nobody_elses_to_ask_about() -> None:
    desk = ready_desk()
    ask(desk, token("alice", *BINDS))
    assert ask(desk, token("mallory"), answer="again").reasons == ["Forbidden", "Forbidden"]
    assert ask(desk, Unidentified("no token"), answer="again").reasons == ["Unauthenticated"]
    repeated = ask(desk, token("bob", *BINDS), answer="again")
    assert repeated.result.repeated
    assert repeated.outgoing[-1].asked == Asked("bob", ISSUER, (Role.PROJECT_OWNER, Role.ACCOUNT_USER))


def test_two_issuers_do_not_make_two_people() -> None:
    desk = ready_desk()
    desk.create("c")
    closing = {"organization": "acme", "account": "c"}
    assert ask(desk, token("ann", *ADMIN), "RequestClosure", closing, id="r").outcome is Outcome.APPLIED
    for issuer, person in ((ISSUER, "ann"), ("https://other.example", "ann"), ("https://other.example", "ANN")):
        said = ask(desk, token(person, *APPROVES, issuer=issuer), "ApproveClosure", closing, id=f"{issuer}{person}")
        assert said.reasons == ["SelfApproval"]
    bob = token("bob", *APPROVES)
    assert ask(desk, bob, "ApproveClosure", closing, id="b").outcome is Outcome.APPLIED


def _insist_on_unauthenticated(said: Said, check: str) -> None:
    """Insist that the only reason is Unauthenticated, that nobody asks, and that the message names the check."""
    (broken,) = said.result.violations
    assert broken.reason is Reason.UNAUTHENTICATED
    assert check in broken.message
    assert said.outgoing[-1].sender is None
    assert not said.folded.claims
