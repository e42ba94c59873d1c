"""Random stories of one organization in which projects and accounts change while fan-outs are under way."""

from random import Random

from schemas.records import Record
from tests.support.saying import account, bind, command, profile, project, reactivate, suspend, transfer

ACCOUNTS = ("a", "b", "c")
PROJECTS = tuple(f"p{number}" for number in range(8))
DAILY = tuple(f"q{number}" for number in range(4))
"""Projects that come later, and find the default account."""


def opening() -> list[Record]:
    """Return the records that make all accounts Ready and bind all projects to the first."""
    return [
        profile(),
        *(account(name) for name in ACCOUNTS),
        command("SetDefaultAccount", "default", account="b"),
        *(project(name) for name in PROJECTS),
        *(bind(name, "a", f"first-{name}") for name in PROJECTS),
    ]


class Story:
    """Yield move after move; each is one or two records under ids of their own."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._versions = dict.fromkeys((*PROJECTS, *DAILY), 1)
        self._profile = 1
        self._number = 0

    def move(self) -> list[Record]:
        """Return something that happens."""
        self._number += 1
        identity, chance = f"m{self._number}", self._chance
        one, other = chance.sample(ACCOUNTS, 2)
        name = chance.choice((*PROJECTS, *DAILY))
        match chance.choice(_KINDS):
            case "bind":
                return [bind(name, one, identity)]
            case "wait":
                return [bind(name, one, identity, waitSeconds=600)]
            case "transfer":
                return [transfer(one, other, identity)]
            case "suspend":
                reason = chance.choice(("PaymentFailure", "ComplianceViolation"))
                return [suspend(one, identity, reason=reason, message=identity)]
            case "reactivate":
                return reactivate(one, identity)
            case "detach":
                return [command("DetachPaymentProfile", identity, account=one)]
            case "attach":
                return [command("AttachPaymentProfile", identity, account=one, paymentProfile="card")]
            case "profile":
                self._profile += 1
                return [profile(self._profile, chance.choice(("Valid", "Invalid")), reason=identity)]
            case "project":
                self._versions[name] += 1
                state = chance.choice(("Active", "Active", "Inactive", "Deleted"))
                return [project(name, self._versions[name], state)]
            case _:
                return [command("SuspendAccount", identity, account=one, reason="Administrative", dryRun=True)]


_KINDS = (
    "bind", "bind", "bind", "wait", "transfer", "suspend", "suspend", "reactivate", "reactivate", "detach", "attach",
    "profile", "project", "project", "dry run",
)  # fmt: skip
