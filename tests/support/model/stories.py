"""Stories: messages about a small organization, drawn at random from few names, so that things collide.

Instants are drawn relative to now. Most draws make sense; some are malformed, repeated, early, or by the wrong person.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests.support.model.said import Said, Token, instant
from tests.support.model.shape import HOLDS, without_nulls

ACCOUNTS = ("a", "a", "a", "b", "b", "b", "c")
PROJECTS = ("p", "q", "r")
PROFILES = ("card", "giro")
PEOPLE = ("ann", "bob", "system:cron", None, "System:Cron", "ann ", "b\u200bob", "\uff21nn", "BOB")
"""Two people, the system and nobody, names that are not valid, and other spellings of the two."""
TERMS: tuple[dict[str, Any], ...] = (
    {},
    {"netDays": 14},
    {"netDays": 5, "invoiceFrequency": "Annual"},
    {"netDays": None},
    {"earlyPaymentDiscount": {"percent": "2", "withinDays": 10}},
    {"earlyPaymentDiscount": None},
    {"netDays": 0},
)
PREFERENCES: tuple[dict[str, Any] | None, ...] = (
    None,
    {},
    {"invoiceFormat": "Pdf"},
    {"invoiceFormat": None, "dataResidency": "Eu"},
    {"taxRegistrations": [], "dataResidency": None},
)
CONTACTS = (None, {"name": "Mae", "emails": ["mae@example.com"]}, {"name": "Jo", "emails": ["jo@example.com"]})


TOKENS_OF = ("ann", "bob", "\uff22ob")
GRANTED = ("account-admin", "account-user", "project-owner", "operator", "payments", "invoicing", "approver", "viewer")


def with_token(said: Said, random: Random) -> Said:
    """Return a command as it is sent where tokens are checked: mostly by whoever asked, who may do everything."""
    chance = random.randrange(100)
    sub = said.authid if said.authid in PEOPLE[:2] else random.choice(TOKENS_OF)
    authid = said.authid if chance < 40 else None
    issuer = random.choice(("https://one.example", "https://two.example"))
    if chance < 80:
        grants = [{"organization": random.choice((said.organization, "*")), "role": role} for role in GRANTED]
    else:
        grants = [_narrow_grant(said.organization, random) for _ in range(random.randrange(6))]
    return replace(said, authid=authid, token=Token(None if chance == 99 else sub, tuple(grants), issuer))


def _narrow_grant(organization: str, random: Random) -> dict[str, Any]:
    lists = {"accounts": ["a", "b*"], "projects": ["p", "q"], "paymentProfiles": ["c*"]}
    kept = {kind: names for kind, names in lists.items() if random.randrange(3) == 0}
    return {"organization": random.choice((organization, "*", "other")), "role": random.choice(GRANTED), **kept}


class Story:
    """Draws one organization's messages from `random`.

    `seconds_ahead` are those that appointments are made for, `settled_ahead` those by which balances are later than
    whatever was said before.
    """

    def __init__(
        self,
        random: Random,
        organization: str,
        *,
        seconds_ahead: tuple[int, ...] = (4, 29, 89),
        settled_ahead: float = 0.5,
    ) -> None:
        self.organization = organization
        self._random = random
        self._ahead = seconds_ahead
        self._settled = settled_ahead
        self._told = 0
        self._commands: list[Said] = []
        self._versions: dict[str, int] = {}

    def prologue(self) -> list[Said]:
        """Return how most stories begin: paying accounts, and a project that one of them pays for."""
        made = {"currencyCode": "USD", "paymentTerms": {}, "paymentProfile": "card"}
        beginning = [
            self._said("PaymentProfileChanged", paymentProfile="card", kind="CreditCard", state="Valid", version=1),
            self._said("ProjectChanged", project="p", state="Active", version=1),
            self._said("ProjectChanged", project="q", state="Active", version=1, uid="u1"),
            self._said("CreateAccount", account="a", **made),
            self._said("CreateAccount", account="b", **made),
            self._said("BindProject", project="p", account="a"),
        ]
        self._versions |= {"card": 1, "p": 1, "q": 1}
        return beginning[: self._random.choice((0, 4, *6 * (6,)))]

    def scene(self, now: datetime) -> list[Said]:
        """Return commands that belong together, as people would send them, though not always with success."""
        first, other = self._random.sample(PEOPLE[:2], 2)
        account, target = self._one(ACCOUNTS), self._one(ACCOUNTS)
        project, soon = self._one(PROJECTS), now + timedelta(seconds=self._one(self._ahead))
        scenes = (
            [
                self._asked("SuspendAccount", account=account, reason=self._one(HOLDS)),
                self._by(first, "RequestReactivation", account=account, resolution="paid"),
                *([self._asked("SuspendAccount", account=account, reason=HOLDS[0])] if self._chance(30) else []),
                *(
                    [self._by(other, "RequestReactivation", account=account, resolution="so it is")]
                    if self._chance(15)
                    else []
                ),
                self._by(self._one((first, first.upper(), other, other)), "ApproveReactivation", account=account),
            ],
            [
                self._asked("TransferProjects", fromAccount=account, toAccount=target),
                self._balance(account, now, self._settled),
                self._by(first, "RequestClosure", account=account),
                *([self._bind(now)] if self._chance(50) else []),
                self._by(self._one((first, first.title(), other, other)), "ApproveClosure", account=account),
            ],
            [
                self._asked("BindProject", project=project, account=account, effectiveAt=instant(soon)),
                self._asked("BindProject", project=project, account=target, effectiveAt=instant(soon)),
                *([self._asked("CancelScheduledBinding", project=project)] if self._chance(20) else []),
                *([self._transfer(now)] if self._chance(20) else []),
            ],
            [
                self._asked("BindProject", project=project, account=account, waitSeconds=self._one(self._ahead)),
                self._asked("BindProject", project=project, account=target, effectiveAt=instant(soon)),
                self._bind(now),
                self._profile(now) if self._chance(50) else self._create(now),
            ],
        )
        chosen: list[Said] = self._one(scenes)
        self._commands += chosen
        return chosen

    def project_fact(self) -> Said:
        """Return a fact of a project."""
        project = self._one(PROJECTS)
        state = self._one((*6 * ("Active",), "Inactive", "Deleted"))
        uid = self._one((*6 * (None,), "u1", "u1", "u1", "u2", "u3"))
        name = self._one((None, None, None, "Lab"))
        facts = {"project": project, "state": state, "uid": uid, "displayName": name}
        return self._said("ProjectChanged", version=self._version(project), **without_nulls(facts))

    def profile_fact(self, now: datetime) -> Said:
        """Return a fact of a payment profile."""
        profile = self._one(PROFILES)
        state = self._one((*12 * ("Valid",), "Invalid", "Invalid", "Removed" if self._chance(40) else "Invalid"))
        kind = "CreditCard" if profile == "card" or self._chance(30) else "BankTransfer"
        expires = self._one((*8 * (None,), -60, 3600, *self._ahead))
        facts = {"expiresAt": None if expires is None else instant(now + timedelta(seconds=expires))}
        return self._said(
            "PaymentProfileChanged",
            paymentProfile=profile,
            kind=kind,
            state=state,
            version=self._version(profile),
            **without_nulls(facts),
        )

    def appointment(self, now: datetime, seconds: int) -> Said:
        """Return a command whose effect falls due in so many seconds."""
        soon = instant(now + timedelta(seconds=seconds))
        members = {"project": self._one(PROJECTS), "account": self._one(ACCOUNTS)}
        if self._chance(50):
            return self._asked("BindProject", **members, waitSeconds=seconds)
        return self._asked("BindProject", **members, effectiveAt=soon)

    def expiry(self, now: datetime, seconds: int) -> Said:
        """Return a valid payment profile that will expire in so many seconds."""
        version, soon = self._version("card", 2), instant(now + timedelta(seconds=seconds))
        members = {"kind": "CreditCard", "state": "Valid", "version": version, "expiresAt": soon}
        return self._said("PaymentProfileChanged", paymentProfile="card", **members)

    def command(self, now: datetime) -> Said:
        """Return one command; one in twelve uses an earlier id again, one in ten is a dry run."""
        if self._commands and self._chance(6):
            return self._again(now)
        said = self._command(now)
        if self._chance(10):
            said.data["dryRun"] = True
        if self._chance(3):
            said.data["colour"] = "red"
        if self._chance(2):
            said = replace(said, expirytime=instant(now - timedelta(seconds=60)))
        if self._chance(5):
            said = replace(said, answer=self._one(("again", "again", "again", "Again")))
        self._commands.append(said)
        return said

    def _again(self, now: datetime) -> Said:
        earlier = self._one(self._commands)
        if self._chance(50):
            other = self._command(now)
            return Said(other.type, earlier.id, other.data, other.authid, answer=self._one((None, None, "again")))
        data = dict(reversed(earlier.data.items()))
        if "dryRun" not in data:
            data["dryRun"] = self._chance(25)
        answer = self._one((None, "again", "again", "twice"))
        return Said(earlier.type, earlier.id, data, self._who(), earlier.expirytime, answer=answer)

    def _command(self, now: datetime) -> Said:
        plots: tuple[tuple[int, Callable[[datetime], Said]], ...] = (
            (4, self._create),
            (8, self._update),
            (4, self._profile),
            (3, self._suspend),
            (10, self._reactivate),
            (12, self._close),
            (26, self._bind),
            (3, lambda _: self._asked("CancelScheduledBinding", project=self._one(PROJECTS))),
            (7, self._transfer),
            (4, lambda _: self._asked("SetDefaultAccount", account=self._one((*ACCOUNTS, None)))),
            (1, lambda _: self._asked("FlyProject", project="p")),
        )
        chosen = self._random.choices([plot for _, plot in plots], [weight for weight, _ in plots])[0]
        return chosen(now)

    def _create(self, now: datetime) -> Said:
        members = {
            "currencyCode": self._one((None, *5 * ("USD",), "usd")),
            "paymentTerms": self._one((None, {}, {}, {}, {"netDays": 7}, {"netDays": 0})),
            "paymentProfile": self._one((None, "card", "card", "giro")),
            "contact": self._one(CONTACTS),
            "preferences": self._one(PREFERENCES),
            "displayName": self._one((None, "Lab", *4 * ("Studio",), "4111 1111 1111 1111")),
        }
        members = {name: value for name, value in members.items() if value is not None or self._chance(20)}
        return self._asked("CreateAccount", account=self._one(ACCOUNTS), **members)

    def _update(self, now: datetime) -> Said:
        members = {
            "currencyCode": self._one((None, "USD", "USD", "EUR")),
            "paymentTerms": self._one((None, *TERMS)),
            "preferences": self._one(PREFERENCES),
            "contact": self._one(CONTACTS),
            "displayName": self._one((None, "Lab", "Studio")),
            "expectedVersion": self._one((1, 2, 3)),
        }
        members = {name: value for name, value in members.items() if self._chance(25)}
        if self._chance(15):
            members = {"contact": None}
        return self._asked("UpdateAccount", account=self._one(ACCOUNTS), **members)

    def _profile(self, now: datetime) -> Said:
        if self._chance(70):
            return self._asked("AttachPaymentProfile", account=self._one(ACCOUNTS), paymentProfile=self._one(PROFILES))
        return self._asked("DetachPaymentProfile", account=self._one(ACCOUNTS))

    def _suspend(self, now: datetime) -> Said:
        members = {"reason": self._one((*HOLDS[:2], *HOLDS[:2], *HOLDS, "Whim")), "message": self._one((None, "late"))}
        return self._asked("SuspendAccount", account=self._one(ACCOUNTS), **without_nulls(members))

    def _reactivate(self, now: datetime) -> Said:
        reasons = self._one((None, None, None, HOLDS[:1], HOLDS[1:2], HOLDS[:2], HOLDS, (), HOLDS[:1] * 2))
        members = {} if reasons is None else {"reasons": list(reasons)}
        if self._chance(50):
            return self._asked("RequestReactivation", account=self._one(ACCOUNTS), resolution="paid", **members)
        return self._asked("ApproveReactivation", account=self._one(ACCOUNTS), **members)

    def _close(self, now: datetime) -> Said:
        account = self._one(ACCOUNTS)
        if self._chance(40):
            return self._balance(account, now, self._one((-3600.5, self._settled, 240.5, 900.5)))
        reason = {"reason": "moving out"} if self._chance(30) else {}
        type_ = self._one(("RequestClosure", "RequestClosure", "ApproveClosure", "ApproveClosure", "WithdrawClosure"))
        return self._asked(type_, account=account, **(reason if type_ == "RequestClosure" else {}))

    def _balance(self, account: str, now: datetime, seconds: float) -> Said:
        members = {
            "outstanding": self._one(("0", "0", "0", "0.00", "12.5", "-1")),
            "currencyCode": self._one((*9 * ("USD",), "EUR")),
            "asOf": instant(now + timedelta(seconds=seconds)),
        }
        return self._asked("ReportBalance", account=account, **members)

    def _bind(self, now: datetime) -> Said:
        members: dict[str, Any] = {}
        if self._chance(20):
            members["expectedAccount"] = self._one((None, *ACCOUNTS))
        if self._chance(25):
            seconds = self._one((-60, *self._ahead, 3600))
            members["effectiveAt"] = instant(now + timedelta(seconds=seconds))
        if self._chance(35):
            members["waitSeconds"] = self._one((0, 3600, *self._ahead)) if self._chance(97) else 3601
        if self._chance(20):
            members["reason"] = "reorganised"
        if members.get("waitSeconds") and self._chance(80):
            members.pop("effectiveAt", None)
        return self._asked("BindProject", project=self._one(PROJECTS), account=self._one(ACCOUNTS), **members)

    def _transfer(self, now: datetime) -> Said:
        listed = self._one((None, None, ["p"], ["p", "q"], ["q"], [], ["p", "p"]))
        source, target = self._one(ACCOUNTS), self._one(ACCOUNTS)
        members = without_nulls({"projects": listed, "reason": self._one((None, "merger"))})
        return self._asked("TransferProjects", fromAccount=source, toAccount=target, **members)

    def _asked(self, type_: str, **members: Any) -> Said:
        return self._by(self._who(), type_, **members)

    def _by(self, who: str | None, type_: str, **members: Any) -> Said:
        said = self._said(type_, **members)
        return Said(type_, said.id, said.data, who)

    def _said(self, type_: str, **members: Any) -> Said:
        self._told += 1
        return Said(type_, f"m{self._told}", {"organization": self.organization, **members})

    def _who(self) -> str | None:
        who: str | None = self._one(PEOPLE[:2]) if self._chance(97) else self._one(PEOPLE)
        return who

    def _version(self, name: str, step: int | None = None) -> int:
        """Return usually the next version, sometimes the current one, an older or a much later one."""
        last = self._versions.get(name, 0)
        version: int = max(1, last + (step or self._one((*10 * (1,), 3, 0, -1))))
        self._versions[name] = max(last, version)
        return version

    def _chance(self, percent: int) -> bool:
        return self._random.randrange(100) < percent

    def _one(self, choices: Any) -> Any:
        return self._random.choice(choices)
