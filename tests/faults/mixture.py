"""What the load says: scenes of every kind that matters for money, drawn by chance from a seed.

Blind to what comes of it: who reads it in which order is not known here, and is the judge's to find out.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from schemas.topics import INPUT_TOPICS
from tests.faults.poison import poison, refusals
from tests.messages import Said, account, bind, command, profile, project

ACCOUNTS = ("a", "b", "c", "d")
PROJECTS = tuple(f"p{number}" for number in range(8))
HOLDS = ("PaymentFailure", "ComplianceViolation", "Administrative")
HUGE = "huge"
"""The organization one of whose accounts pays for so many projects that its notices are fanned out."""
_REMEMBERED = 50
_SCENES_PER_FAN_OUT = 200
_FAR_SECONDS = 60


@dataclass
class Organization:
    """What the load remembers of an organization: versions and ids in use, and a few commands to repeat."""

    name: str
    versions: dict[str, int] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)

    def version(self, name: str) -> int:
        """Give the next version of a project or profile."""
        self.versions[name] = self.versions.get(name, 0) + 1
        return self.versions[name]


class Mixture:
    """Tells what many organizations say. `kinds` counts the scenes told, by name."""

    def __init__(self, seed: int, organizations: int, huge_projects: int) -> None:
        self.kinds: dict[str, int] = {}
        self._random = Random(seed)
        self._numbers = count(1)
        self._huge_projects = huge_projects
        self._organizations = [Organization(f"org-{number}") for number in range(organizations)]

    def beginning(self) -> Iterator[Said]:
        """Give what all the rest builds upon: accounts that are Ready, projects, and payers for most of them."""
        for organization in self._organizations:
            yield self._profile_fact(organization, "card", "Valid")
            for name in PROJECTS:
                yield self._project_fact(organization, name, "Active")
            for name in ACCOUNTS:
                yield replace_id(account(organization.name, name), self._id("create"))
            for name in PROJECTS[:6]:
                yield self._bind(organization, name, self._one(ACCOUNTS), waitSeconds=5)
        if self._huge_projects:
            yield from self._huge_beginning()

    def scenes(self) -> Iterator[list[Said]]:
        """Give scene after scene, without end; the records of a scene belong together, in order."""
        plots: list[tuple[int, Callable[[Organization], list[Said]]]] = [
            (300, self._binding),
            (40, self._unchanged),
            (40, self._repeated),
            (25, self._reused_id),
            (30, self._dry_run),
            (60, self._waiting),
            (50, self._scheduled),
            (20, self._expiring),
            (60, self._suspended),
            (90, self._project_reported),
            (40, self._stale),
            (60, self._profile_reported),
            (50, self._updated),
            (30, self._transferred),
            (40, self._closed),
            (25, self._default_chosen),
            (60, self._refused),
            (60, self._poison),
            (20, self._attached),
            (10, self._keyless),
        ]
        scenes, weights = [plot for _, plot in plots], [weight for weight, _ in plots]
        for number in count(1):
            is_huge = self._huge_projects > 0 and number % _SCENES_PER_FAN_OUT == 0
            scene = self._fanned_out if is_huge else self._random.choices(scenes, weights)[0]
            organization = self._one(self._organizations)
            name = scene.__name__.removeprefix("_")
            self.kinds[name] = self.kinds.get(name, 0) + 1
            yield scene(organization)

    def _huge_beginning(self) -> Iterator[Said]:
        yield self._profile_fact(Organization(HUGE), "card", "Valid")
        yield replace_id(account(HUGE, "payer"), self._id("create"))
        for number in range(self._huge_projects):
            yield project(HUGE, f"h{number:04}", ce_id=self._id("fact"))
        for number in range(self._huge_projects):
            yield bind(HUGE, f"h{number:04}", "payer", self._id("bind"), waitSeconds=60)

    def _binding(self, organization: Organization) -> list[Said]:
        members: dict[str, Any] = {}
        if self._chance(15):
            members["expectedAccount"] = self._one((None, *ACCOUNTS))
        if self._chance(10):
            members["reason"] = "reorganised"
        return [self._bind(organization, self._one(PROJECTS), self._one(ACCOUNTS), **members)]

    def _unchanged(self, organization: Organization) -> list[Said]:
        name, payer = self._one(PROJECTS), self._one(ACCOUNTS)
        return [self._bind(organization, name, payer), self._bind(organization, name, payer)]

    def _repeated(self, organization: Organization) -> list[Said]:
        """The same id with the same meaning: in another spelling, from another sender."""
        if not organization.said:
            return self._binding(organization)
        return [self._respelt(self._one(organization.said))]

    def _reused_id(self, organization: Organization) -> list[Said]:
        if not organization.said:
            return self._binding(organization)
        earlier = json.loads(self._one(organization.said).value or b"")
        return [bind(organization.name, "p0", "a", earlier["id"], reason=self._id("another meaning"))]

    def _dry_run(self, organization: Organization) -> list[Said]:
        tried = self._one(
            (
                {"name": "BindProject", "project": self._one(PROJECTS), "account": self._one(ACCOUNTS)},
                {"name": "SuspendAccount", "account": self._one(ACCOUNTS), "reason": self._one(HOLDS)},
                {"name": "TransferProjects", "fromAccount": "a", "toAccount": "b"},
            )
        )
        return [self._command(organization, **tried, dryRun=True)]

    def _waiting(self, organization: Organization) -> list[Said]:
        """A binding that waits for a project, for which others queue; mostly it is reported, else patience ends."""
        name = self._id("late")
        waits = [self._bind(organization, name, self._one(ACCOUNTS), waitSeconds=self._random.randint(1, 4))]
        if self._chance(40):
            waits.append(self._bind(organization, name, self._one(ACCOUNTS)))
        if self._chance(20):
            waits.append(self._bind(organization, name, "missing", waitSeconds=2))
        return [*waits, self._project_fact(organization, name, "Active")] if self._chance(70) else waits

    def _scheduled(self, organization: Organization) -> list[Said]:
        name = self._one(PROJECTS)
        if self._chance(30):
            # Far enough to be scheduled however late it is read, and cancelled so that nobody waits for it.
            cancelled = self._command(organization, "CancelScheduledBinding", project=name)
            return [self._appointment(organization, name, _FAR_SECONDS), cancelled]
        told = [self._appointment(organization, name, seconds) for seconds in self._one(((1,), (2,), (3, 2), (-1,)))]
        if self._chance(15):
            told.append(self._command(organization, "CancelScheduledBinding", project=name))
        return told

    def _expiring(self, organization: Organization) -> list[Said]:
        return [
            self._bind(
                organization, self._one(PROJECTS), self._one(ACCOUNTS), ce_expirytime=_soon(self._one((-60, 600)))
            )
        ]

    def _suspended(self, organization: Organization) -> list[Said]:
        name, reason = self._one(ACCOUNTS), self._one(HOLDS)
        told = [self._command(organization, "SuspendAccount", account=name, reason=reason) for _ in range(2)]
        if self._chance(30):
            told.append(self._bind(organization, self._one(PROJECTS), name))
        told.append(self._command(organization, "RequestReactivation", account=name, resolution="paid"))
        if self._chance(20):
            told.append(self._command(organization, "ApproveReactivation", account=name))
        told.append(self._command(organization, "ApproveReactivation", account=name, ce_authid="bob"))
        return told[: self._random.randint(3, 4)] if self._chance(10) else told

    def _project_reported(self, organization: Organization) -> list[Said]:
        name = self._one(PROJECTS)
        states = self._one(
            (("Active",), ("Inactive", "Active"), ("Inactive",), ("Deleted",), ("Deleted", "Active"), ("uid",))
        )
        told = []
        for state in states:
            if state == "uid":
                organization.uids[name] = self._id("uid")
            reported = "Active" if state == "uid" else state
            told.append(self._project_fact(organization, name, reported, displayName=self._one(("Lab", "Studio"))))
        if states[-1] == "Active":
            told.append(self._bind(organization, name, self._one(ACCOUNTS), waitSeconds=2))
        return told

    def _stale(self, organization: Organization) -> list[Said]:
        """An older version, the same again, or the same version with other content, which is the producer's fault."""
        name = self._one(PROJECTS)
        now = organization.versions[name]
        members: dict[str, Any] = {"ce_id": self._id("fact"), "displayName": "conflict"}
        if name in organization.uids:
            members["uid"] = organization.uids[name]
        again = project(organization.name, name, now, state="Inactive", **members)
        old = project(organization.name, name, max(1, now - 1), **members)
        report = self._project_fact(organization, name, "Active", displayName="twice")
        told: list[Said] = self._one(([old], [report, report], [again], [report, old, report]))
        return told

    def _profile_reported(self, organization: Organization) -> list[Said]:
        """Mostly a loss that is made good at once, so that accounts are Ready most of the time."""
        if self._chance(25):
            valid = self._profile_fact(organization, "card", "Valid", expiresAt=_soon(self._one((1, 2))))
            return [valid, self._profile_fact(organization, "card", "Valid")] if self._chance(50) else [valid]
        if self._chance(20):
            old = profile(organization.name, "card", organization.versions["card"], ce_id=self._id("fact"))
            return [self._profile_fact(organization, "card", "Valid"), old]
        state = self._one(("Valid", "Invalid", "Invalid"))
        return [self._profile_fact(organization, "card", state), self._profile_fact(organization, "card", "Valid")]

    def _updated(self, organization: Organization) -> list[Said]:
        members: dict[str, Any] = self._one(
            (
                {"displayName": self._id("Studio")},
                {"paymentTerms": {"netDays": self._random.randint(1, 60)}},
                {"currencyCode": "USD"},
                {"displayName": "Lab", "expectedVersion": self._random.randint(1, 9)},
                {"contact": {"name": "Mae", "emails": ["mae@example.com"]}},
            )
        )
        return [self._command(organization, "UpdateAccount", account=self._one(ACCOUNTS), **members)]

    def _transferred(self, organization: Organization) -> list[Said]:
        source, target = self._random.sample(ACCOUNTS, 2)
        listed = {"projects": self._random.sample(PROJECTS, 2)} if self._chance(30) else {}
        return [self._command(organization, "TransferProjects", fromAccount=source, toAccount=target, **listed)]

    def _closed(self, organization: Organization) -> list[Said]:
        """An account of its own from its beginning to its end, with a project that is in the way for a while."""
        name, late = self._id("brief"), self._id("brief-project")
        told = [
            replace_id(account(organization.name, name), self._id("create")),
            self._project_fact(organization, late, "Active"),
            self._bind(organization, late, name, waitSeconds=2),
            self._command(organization, "RequestClosure", account=name),
            self._command(organization, "TransferProjects", fromAccount=name, toAccount="a"),
            self._command(
                organization,
                "ReportBalance",
                account=name,
                outstanding=self._one(("0", "0.00", "12.5")),
                currencyCode="EUR",
                asOf=_soon(200),
            ),
            self._command(organization, "RequestClosure", account=name),
            self._bind(organization, self._one(PROJECTS), name),
        ]
        if self._chance(20):
            told.append(self._command(organization, "WithdrawClosure", account=name))
        approving = self._one(("bob", "bob", "alice"))
        told.append(self._command(organization, "ApproveClosure", account=name, ce_authid=approving))
        return [*told, self._bind(organization, late, name)]

    def _default_chosen(self, organization: Organization) -> list[Said]:
        chosen = self._command(organization, "SetDefaultAccount", account=self._one((None, *ACCOUNTS)))
        return [chosen, self._project_fact(organization, self._id("fresh"), "Active")]

    def _refused(self, organization: Organization) -> list[Said]:
        members = {"project": self._one(PROJECTS), "account": self._one(ACCOUNTS)}
        name, said = self._one(refusals(members))
        return [self._command(organization, name, **said)]

    def _poison(self, organization: Organization) -> list[Said]:
        return [self._one(poison(organization.name, self._id("bad"), self._one(INPUT_TOPICS)))]

    def _attached(self, organization: Organization) -> list[Said]:
        name = self._one(ACCOUNTS)
        lost = self._one(("DetachPaymentProfile", "AttachPaymentProfile"))
        other = {"paymentProfile": "unknown"} if lost == "AttachPaymentProfile" else {}
        return [
            self._command(organization, lost, account=name, **other),
            self._command(organization, "AttachPaymentProfile", account=name, paymentProfile="card"),
        ]

    def _keyless(self, organization: Organization) -> list[Said]:
        """Correctness never rests on the key, only the order of what is said."""
        asked = bind(organization.name, self._one(PROJECTS), self._one(ACCOUNTS), self._id("keyless"))
        return [replace(asked, key=self._one((None, b"another")))]

    def _fanned_out(self, _: Organization) -> list[Said]:
        """The huge account is suspended, and reactivated while its projects are still being told."""
        huge = Organization(HUGE)
        return [
            self._command(huge, "SuspendAccount", account="payer", reason="PaymentFailure"),
            self._command(huge, "RequestReactivation", account="payer", resolution="paid"),
            self._command(huge, "ApproveReactivation", account="payer", ce_authid="bob"),
        ]

    def _appointment(self, organization: Organization, name: str, seconds: int) -> Said:
        return self._bind(organization, name, self._one(ACCOUNTS), effectiveAt=_soon(seconds))

    def _bind(self, organization: Organization, name: str, payer: str, **members: Any) -> Said:
        return self._command(organization, "BindProject", project=name, account=payer, **members)

    def _command(self, organization: Organization, name: str, **members: Any) -> Said:
        said = command(name, self._id(name), organization.name, binary=self._chance(10), **members)
        if not said.headers and not members.get("dryRun"):
            organization.said.append(said)
            del organization.said[:-_REMEMBERED]
        return said

    def _project_fact(self, organization: Organization, name: str, state: str, **members: Any) -> Said:
        if name in organization.uids:
            members["uid"] = organization.uids[name]
        version = organization.version(name)
        return project(
            organization.name,
            name,
            version,
            state=state,
            binary=self._chance(10),
            ce_id=self._id("fact"),
            **members,
        )

    def _profile_fact(self, organization: Organization, name: str, state: str, **members: Any) -> Said:
        version = organization.version(name)
        return profile(organization.name, name, version, state=state, ce_id=self._id("fact"), **members)

    def _respelt(self, said: Said) -> Said:
        event = json.loads(said.value or b"")
        event["data"] = dict(reversed(event["data"].items()))
        if event["type"].endswith(".BindProject.v1") and event["data"].keys() == {"organization", "project", "account"}:
            event["data"].setdefault("waitSeconds", 0)
        event["authid"] = self._one((event.get("authid"), "carol"))
        spelt = {name: text for name, text in event.items() if text is not None}
        return replace(said, value=json.dumps(spelt, indent=self._one((None, 1))).encode())

    def _id(self, kind: str) -> str:
        return f"{kind.lower()}-{next(self._numbers)}"

    def _chance(self, percent: int) -> bool:
        return self._random.randrange(100) < percent

    def _one(self, choices: Any) -> Any:
        return self._random.choice(choices)


def replace_id(said: Said, event_id: str) -> Said:
    """Give a structured record under another id."""
    return replace(said, value=json.dumps(json.loads(said.value or b"") | {"id": event_id}).encode())


def _soon(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
