"""The story: its steps in order, and what they show."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cli.sending.composing import compose
from workers.exchange import Message


@dataclass(frozen=True, slots=True)
class Step:
    """A command or fact, sent by `who`. If it `is_explained`, its whole answer is shown.

    If it `repeats`, it is the previous message again, and has no members itself.
    """

    says: str
    who: str
    name: str
    organization: str
    members: Mapping[str, Any] = field(default_factory=dict)
    is_explained: bool = False
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Chapter:
    """A few steps under a title."""

    title: str
    steps: tuple[Step, ...]


PROJECTS = (("acme", "website"), ("acme", "rocket"), ("globex", "portal"))
"""The projects whose payers are drawn at the end."""

GRANTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "ada": tuple({"organization": "acme", "role": role} for role in ("account-admin", "project-owner", "approver")),
    "bob": (
        {"organization": "acme", "role": "project-owner", "projects": ["website"]},
        {"organization": "acme", "role": "account-user", "accounts": ["main"]},
    ),
    "gus": tuple({"organization": "globex", "role": role} for role in ("account-admin", "project-owner")),
    "ivy": tuple({"organization": "acme", "role": role} for role in ("payments", "approver")),
}
"""The grants in the tokens of command senders. Facts need no token: the broker controls writes to their topics."""

_TERMS = {"netDays": 30}


def message_of(step: Step, number: int, token: str | None = None) -> Message:
    """Make the message of a step, with its number in the story in its id, and with the sender's token, if any."""
    identity = f"{step.organization}-{number:02d}"
    sources = {"payments": "/payments", "resource-manager": "/resource-manager"}
    attributes = {"id": identity, "source": sources.get(step.who, "/console"), "authid": step.who}
    message = compose(step.name, {"organization": step.organization, **step.members}, (), attributes)
    return replace(message, token=token)


def _account(organization: str, account: str, profile: str, currency: str, who: str, says: str) -> Step:
    members = {"account": account, "currencyCode": currency, "paymentTerms": _TERMS, "paymentProfile": profile}
    return Step(says, who, "CreateAccount", organization, members)


def _profile(organization: str, profile: str, says: str) -> Step:
    members = {"paymentProfile": profile, "kind": "CreditCard", "state": "Valid", "version": 1}
    return Step(says, "payments", "PaymentProfileChanged", organization, members)


def _project(organization: str, project: str, state: str, version: int, says: str) -> Step:
    members = {"project": project, "state": state, "version": version}
    return Step(says, "resource-manager", "ProjectChanged", organization, members)


def _bind(
    organization: str, project: str, account: str, who: str, says: str, *, is_explained: bool = False, **more: Any
) -> Step:
    members = {"project": project, "account": account, **more}
    return Step(says, who, "BindProject", organization, members, is_explained=is_explained)


STORY = (
    Chapter(
        "Accounts become Ready as their payment profile arrives",
        (
            _account(
                "acme", "main", "card-acme", "EUR", "ada", "Ada opens Acme's main account. Its card is not known."
            ),
            _profile("acme", "card-acme", "Payments reports the card: that alone makes the account Ready."),
            _profile("acme", "card-lab", "It may also come in the other order: first the card of Acme's research lab,"),
            _account("acme", "research", "card-lab", "USD", "ada", "then its account, which is Ready at once."),
            _account("globex", "hq", "card-globex", "CHF", "gus", "Globex, another organization, does the same."),
            _profile("globex", "card-globex", "Its card arrives."),
        ),
    ),
    Chapter(
        "Projects appear and get a payer",
        (
            _project("acme", "website", "Active", 1, "A new project that nobody pays for is told so."),
            _bind("acme", "website", "main", "ada", "Ada binds it to the main account.", expectedAccount=None),
            _project("acme", "rocket", "Active", 1, "A second project of Acme,"),
            _bind("acme", "rocket", "main", "ada", "on the same account."),
            _project("globex", "portal", "Active", 1, "And one of Globex,"),
            _bind("globex", "portal", "hq", "gus", "paid by its headquarters."),
        ),
    ),
    Chapter(
        "A project moves to another payer",
        (
            _bind(
                "acme",
                "rocket",
                "research",
                "bob",
                "Bob would like to move the rocket to the research lab. His token is for the website and main only.",
                is_explained=True,
            ),
            _bind(
                "acme",
                "rocket",
                "research",
                "ada",
                "The rocket becomes research. The old binding ends at the very instant the new one begins.",
                expectedAccount="main",
                reason="it is research now",
            ),
            Step(
                "The network hiccups, and Ada's browser sends the same command again. Nothing happens twice.",
                "ada",
                "BindProject",
                "acme",
                repeats=True,
            ),
        ),
    ),
    Chapter(
        "An account is suspended, and a binding is refused",
        (
            Step(
                "Three invoices are unpaid. Suspending the account keeps its bindings and tells every bound project.",
                "ivy",
                "SuspendAccount",
                "acme",
                {"account": "main", "reason": "PaymentFailure", "message": "three invoices are unpaid"},
            ),
            _project("acme", "website", "Inactive", 2, "The website is switched off; its payer stays."),
            _bind(
                "acme",
                "website",
                "main",
                "bob",
                "Bob does not know all this. He is told everything that is wrong at once.",
                is_explained=True,
                expectedAccount="research",
            ),
            _bind(
                "globex",
                "portal",
                "research",
                "gus",
                "Gus tries Acme's account. Of other organizations one learns nothing, not even that it exists.",
                is_explained=True,
            ),
        ),
    ),
    Chapter(
        "Two people lift the suspension",
        (
            Step(
                "The invoices are paid. Ada says so,",
                "ada",
                "RequestReactivation",
                "acme",
                {"account": "main", "resolution": "all three invoices are paid"},
            ),
            Step(
                "but may not approve it herself.",
                "ada",
                "ApproveReactivation",
                "acme",
                {"account": "main"},
                is_explained=True,
            ),
            Step("Ivy does: the account is Ready again.", "ivy", "ApproveReactivation", "acme", {"account": "main"}),
        ),
    ),
    Chapter(
        "A project is deleted, and its name is used again",
        (
            _project("globex", "portal", "Deleted", 2, "With the project its binding ends."),
            _project("globex", "portal", "Active", 3, "A new portal starts without a payer,"),
            _bind("globex", "portal", "hq", "gus", "until Gus binds it. In between nobody paid."),
        ),
    ),
)
"""All chapters, in order."""
