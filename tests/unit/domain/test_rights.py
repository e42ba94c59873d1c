"""Who may do what: what each command needs, and what a grant reaches."""

from typing import Any

import pytest

from domain.commands import RULES
from domain.reach import EVERYTHING, Reach, reach_of
from domain.rights import has_role, judged, organizations_of
from schemas.askers import Asker, Kind, Names, Role, grants_of
from schemas.commands import COMMANDS, BindProject, CreateAccount, SetDefaultAccount, SuspendAccount, TransferProjects
from schemas.results import Reason

BIND = {"organization": "acme", "project": "web", "account": "main"}


def asker(*claim: dict[str, Any]) -> Asker:
    """Return somebody to whom a token grants this."""
    grants, ignored = grants_of(list(claim))
    return Asker("alice", "https://login.example", grants, ignored)


def granted(role: str, organization: str = "acme", **lists: list[str]) -> dict[str, Any]:
    """Return what a token says of one grant."""
    return {"organization": organization, "role": role, **lists}


def fields(who: Asker, command: Any, data: dict[str, Any], organization: str = "acme") -> list[str | None]:
    """Return what the violations are about."""
    broken = judged(who, organization, None if command is None else RULES[command].rights, data).missing
    assert {one.reason for one in broken} <= {Reason.FORBIDDEN}
    return [one.field for one in broken]


def test_every_command_needs_a_right() -> None:
    for command in COMMANDS.values():
        assert fields(asker(), command, {})


def test_two_rights_are_judged_one_by_one() -> None:
    assert fields(asker(), BindProject, BIND) == ["/project", "/account"]
    assert fields(asker(granted("project-owner")), BindProject, BIND) == ["/account"]
    assert fields(asker(granted("account-user", accounts=["main"])), BindProject, BIND) == ["/project"]
    both = asker(granted("project-owner", projects=["w*"]), granted("account-admin", accounts=["*"]))
    assert fields(both, BindProject, BIND) == []


def test_the_least_role_is_named() -> None:
    messages = [one.message for one in judged(asker(), "acme", RULES[BindProject].rights, BIND).missing]
    assert "project-owner" in messages[0]
    assert "account-user" in messages[1]
    suspending = {"account": "main", "reason": "PaymentFailure"}
    failed = judged(asker(), "acme", RULES[SuspendAccount].rights, suspending).missing
    assert "grant payments" in failed[0].message


@pytest.mark.parametrize("member", (None, 7, "", "Main", "main\n", ["main"]))
def test_what_names_nothing_is_reached_by_grants_that_are_not_narrowed(member: Any) -> None:
    data = {**BIND, "account": member}
    narrowed = asker(granted("project-owner"), granted("account-user", accounts=["*"]))
    assert fields(narrowed, BindProject, data) == ["/account"]
    assert fields(asker(granted("project-owner"), granted("account-user")), BindProject, data) == []


def test_a_narrowed_grant_reaches_nothing_of_a_kind_that_it_does_not_list() -> None:
    assert fields(asker(granted("account-admin", projects=["web"])), CreateAccount, {"account": "main"}) == ["/account"]
    data = {"account": "main", "paymentProfile": "card"}
    assert fields(asker(granted("account-admin", accounts=["main"])), CreateAccount, data) == ["/paymentProfile"]
    apart = asker(granted("account-admin", accounts=["main"]), granted("account-admin", paymentProfiles=["card"]))
    assert fields(apart, CreateAccount, data) == []
    assert fields(apart, CreateAccount, {"account": "main", "paymentProfile": None}) == []


def test_a_default_account_needs_the_whole_organization() -> None:
    data = {"account": "main"}
    assert fields(asker(granted("account-admin", accounts=["*"])), SetDefaultAccount, data) == ["/account"]
    assert fields(asker(granted("account-admin", "*")), SetDefaultAccount, data) == []


def test_a_transfer_looks_at_no_project() -> None:
    data = {"fromAccount": "a", "toAccount": "b", "projects": ["web"]}
    who = asker(granted("account-admin", accounts=["a"]), granted("account-user", accounts=["b"]))
    assert fields(who, TransferProjects, data) == []
    assert fields(asker(granted("account-user")), TransferProjects, data) == ["/fromAccount"]


def test_payments_suspends_for_a_failed_payment_alone() -> None:
    payments = asker(granted("payments"))
    assert fields(payments, SuspendAccount, {"account": "main", "reason": "PaymentFailure"}) == []
    assert fields(payments, SuspendAccount, {"account": "main", "reason": "Administrative"}) == ["/account"]
    assert fields(payments, SuspendAccount, {"account": "main", "reason": ["PaymentFailure"]}) == ["/account"]


def test_a_role_counts_in_its_organization_alone() -> None:
    who = asker(granted("project-owner", "other"), granted("account-user", "other"))
    assert fields(who, BindProject, BIND) == ["/project", "/account"]
    assert fields(who, None, {}) == ["/organization"]
    assert fields(asker(granted("viewer")), None, {}) == []


def test_what_is_trusted_may_do_everything() -> None:
    trusted = Asker("alice")
    assert all(fields(trusted, command, {}) == [] for command in COMMANDS.values())
    assert reach_of(trusted, "acme") == EVERYTHING
    assert has_role(trusted, "*", [Role.OPERATOR])


@pytest.mark.parametrize(
    "claim",
    (
        "acme",
        {"organization": "acme", "role": "viewer"},
        ["viewer"],
        [{"organization": "acme"}],
        [{"role": "viewer"}],
        [{"organization": "acme", "role": "boss"}],
        [{"organization": "acme", "role": ["viewer"]}],
        [{"organization": "acme*", "role": "viewer"}],
        [{"organization": "Acme", "role": "viewer"}],
        [{"organization": "acme", "role": "viewer", "until": "2030"}],
        [{"organization": "acme", "role": "viewer", "accounts": []}],
        [{"organization": "acme", "role": "viewer", "accounts": "main"}],
        [{"organization": "acme", "role": "viewer", "accounts": None}],
        [{"organization": "acme", "role": "viewer", "accounts": ["main", 7]}],
        [{"organization": "acme", "role": "viewer", "accounts": ["main", "Main"]}],
        [{"organization": "acme", "role": "viewer", "accounts": ["m*", "M*"]}],
        [{"organization": "acme", "role": "viewer", "projects": ["*web"]}],
        [{"organization": "acme", "role": "viewer", "projects": ["w**"]}],
        [{"organization": "acme", "role": "viewer", "projects": [""]}],
    ),
)
def test_what_is_in_no_known_form_grants_nothing_and_is_counted(claim: Any) -> None:
    assert grants_of(claim) == ((), 1)


def test_what_is_in_full_form_grants_all_that_it_says() -> None:
    lists: dict[str, Any] = {"accounts": ["main", "eu-*", "main"], "projects": ["*"], "paymentProfiles": ["card"]}
    [grant], ignored = grants_of([granted("viewer", **lists)])
    assert (grant.names(Kind.ACCOUNTS), ignored) == (Names(frozenset({"main"}), ("eu-",)), 0)
    assert (grant.names(Kind.PROJECTS), grant.names(Kind.PAYMENT_PROFILES)) == (
        Names(frozenset(), ("",)),
        Names(frozenset({"card"}), ()),
    )
    assert (grants_of(None), grants_of([])) == (((), 0), ((), 0))
    assert Asker("alice").ignored_grants == 0


def test_a_malformed_grant_spoils_no_other() -> None:
    grants, ignored = grants_of([granted("viewer"), granted("boss")])
    assert [grant.role for grant in grants] == [Role.VIEWER]
    assert ignored == 1


def test_what_is_seen_adds_up() -> None:
    assert reach_of(asker(granted("viewer", "other")), "acme") is None
    assert reach_of(asker(granted("viewer")), "acme") == EVERYTHING
    who = asker(granted("viewer", accounts=["main", "eu-*"]), granted("project-owner", projects=["web"]))
    reach = reach_of(who, "acme")
    assert reach == Reach((Names(frozenset({"main"}), ("eu-",)),), (Names(frozenset({"web"})),))
    assert reach.sees_account("eu-1")
    assert not reach.sees_account("us-1")
    assert reach.sees_project("web")
    assert not reach.sees_project("web2")
    assert not reach.is_everything


def test_what_one_of_several_grants_reaches_is_seen() -> None:
    grants = (granted("viewer", accounts=[name], projects=[f"of-{name}"]) for name in ("main", "second"))
    reach = reach_of(asker(*grants), "acme")
    assert reach is not None
    assert [reach.sees_account(name) for name in ("main", "second", "third")] == [True, True, False]
    assert [reach.sees_project(f"of-{name}") for name in ("main", "second", "third")] == [True, True, False]
    assert [reach.sees(None, *names) for names in (("third", "main"), ("main", None), ("third",), ())] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [reach.sees(name, "third") for name in ("of-second", "other", None)] == [True, False, False]


def test_whoever_has_no_role_is_told_what_to_ask_for() -> None:
    [unknown] = judged(asker(), "acme", None, {}).missing
    assert (unknown.field, "needs a role in the organization: ask for viewer" in unknown.message) == (
        "/organization",
        True,
    )
    [known] = judged(asker(), "acme", RULES[CreateAccount].rights, {"account": "main"}).missing
    assert known.message == "the token does not grant account-admin for what account names: ask for that role"


def test_a_reach_of_all_accounts_or_of_all_projects_is_not_one_of_everything() -> None:
    named = (Names(frozenset({"main"})),)
    for narrowed in (Reach(accounts=named), Reach(projects=named)):
        assert not narrowed.is_everything
        assert not narrowed.sees(None, None)
    assert Reach().sees(None, None)


def test_a_role_for_the_whole_organization_is_not_narrowed() -> None:
    assert has_role(asker(granted("operator")), "acme", [Role.OPERATOR])
    assert not has_role(asker(granted("operator", accounts=["*"])), "acme", [Role.OPERATOR])
    assert not has_role(asker(granted("operator")), "*", [Role.OPERATOR])
    assert has_role(asker(granted("operator", "*")), "*", [Role.OPERATOR])
    assert has_role(asker(granted("invoicing", accounts=["main"])), "acme", [Role.INVOICING], "main")
    assert not has_role(asker(granted("invoicing", accounts=["main"])), "acme", [Role.INVOICING], "other")


def test_organizations_in_which_a_role_is_held() -> None:
    wanted = (Role.OPERATOR, Role.AUDITOR)
    assert organizations_of(asker(), wanted) == frozenset()
    several = asker(granted("operator"), granted("auditor", "globex"), granted("viewer", "initech"))
    assert organizations_of(several, wanted) == frozenset({"acme", "globex"})
    assert organizations_of(asker(granted("operator", accounts=["main"])), wanted) == frozenset()
    assert organizations_of(asker(granted("operator", "*")), wanted) is None
    assert organizations_of(Asker("alice"), wanted) is None
