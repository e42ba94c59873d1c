"""What the model stores about an organization, and how it reports the outcome of a message."""

from datetime import UTC, datetime
from typing import Any

from tests.support.copying import copied
from tests.support.model import accounts
from tests.support.model.said import Said
from tests.support.model.seen import Seen
from tests.support.model.shape import card_numbers

ORDER = [
    "Unauthenticated",
    "Forbidden",
    "CommandIdReused",
    "Expired",
    "UnknownCommand",
    "Invalid",
    "CardNumber",
    "AccountNotFound",
    "AccountExists",
    "AccountArchived",
    "ProjectNotFound",
    "ProjectNotActive",
    "AccountNotReady",
    "AccountClosing",
    "PreconditionFailed",
    "CurrencyImmutable",
    "CurrencyMismatch",
    "UnsupportedPaymentProfile",
    "InvalidTransition",
    "CauseUnresolved",
    "SelfApproval",
    "ActiveBindingsExist",
    "ChargesOutstanding",
    "TooManyProjects",
    "Superseded",
]

Answer = tuple[str, list[str]]
"""An outcome, and the broken rules."""


class Ledger:
    """The state of one organization, as dictionaries, and the events that followed.

    `_out` is everything that follows from a message, `_own` what follows from the command itself: its result lists it.
    """

    def __init__(self, organization: str) -> None:
        self.organization = organization
        self.state: dict[str, Any] = {"accounts": {}, "projects": {}, "profiles": {}, "default": None, "queues": {}}
        self._claimed: dict[tuple[str, str], Any] = {}
        self._latest: dict[tuple[str, str], Seen] = {}
        self._now = datetime.min.replace(tzinfo=UTC)
        self._cause: Said
        self._out: list[Seen] = []
        self._own: list[Seen] = []
        self._superseded: list[dict[str, Any]] = []

    def _settled(self, name: str, before: dict[str, Any], reason: str | None = None) -> Answer:
        """Publish what changed about an account, and notify its projects."""
        account = self.state["accounts"][name]
        if before["phase"] != "Archived":
            account["phase"], account["conditions"] = accounts.conditions(self.state, account, self._now)
        if account == before:
            return "Unchanged", []
        entered = [account["phase"]] if account["phase"] != before["phase"] else []
        if before["phase"] is None:
            entered = ["Provisioning", account["phase"]] if account["phase"] != "Provisioning" else ["Provisioning"]
        previous, why = before["phase"], account["conditions"][3][2]
        for phase in entered:
            because = "Created" if previous is None else why
            holds = [hold["reason"] for hold in account["holds"]]
            told = {"from": previous, "to": phase, "reason": because, "holds": holds, "because": reason}
            self._event("account", account, name, {"type": "AccountPhaseChanged", **told})
            previous = phase
        account["activated"] |= account["phase"] == "Ready"
        account["version"] += 1
        self._event("account", account, name, {"type": "AccountChanged", **_shown(account), "because": reason})
        if entered and before["phase"] is not None:
            self._tell(name, before["phase"], account["phase"], why)
        return "Applied", []

    def _tell(self, name: str, before: str, phase: str, reason: str) -> None:
        kind = {"Suspended": "AccountSuspended", "Ready": "AccountReady"}.get(phase)
        if kind is None and before == "Ready" and phase != "Archived":
            kind = "AccountNotReady"
        for project in sorted(self.state["projects"]):
            if kind and self.state["projects"][project]["payer"] == name:
                self._notice(project, name, kind, reason)

    def _settle_attached(self, profile: str) -> None:
        self._own = []
        for name in sorted(self.state["accounts"]):
            account = self.state["accounts"][name]
            if account["profile"] == profile and account["phase"] != "Archived":
                self._settled(name, copied(account))
        self._out += self._own

    def _event(self, kind: str, record: dict[str, Any], name: str, told: Seen, by: str | None = None) -> None:
        record["sequence"] += 1
        about = {"about": f"{kind} {self.organization}/{name}", "sequence": record["sequence"], "cause": self._cause.id}
        self._own.append(about | told | {"by": by or self._cause.asker or self._cause.source})

    def _notice(self, project: str, account: str | None, kind: str, reason: str) -> None:
        told = {"account": account, "kind": kind, "reason": reason, "cause": self._cause.id}
        self._own.append({"about": f"notices {self.organization}/{project}", **told})

    def _result(self, said: Said, outcome: str, violations: list[str], is_dry: bool) -> None:
        data = said.data
        moved = [one for one in self._own if one.get("type") == "BindingChanged"]
        count = len(moved) if said.type == "TransferProjects" and outcome != "Rejected" else None
        account = data.get("toAccount") if said.type == "TransferProjects" else data.get("account")
        announced = [] if outcome == "Rejected" else self._own
        result = {
            "about": f"result {self.organization} {said.source} {said.id}",
            "dryRun": is_dry,
            "repeated": False,
            "authid": said.asker,
            "has fingerprint": card_numbers(data) == 0,
            "outcome": outcome,
            "violations": sorted(violations, key=ORDER.index),
            "names": (account, data.get("project"), count),
            "announces": sorted(
                (one.get("type", "ProjectBillingNotice"), one["about"].split()[1]) for one in announced
            ),
            "counts": (len(announced), len(violations)),
        }
        if not is_dry and not {"Unauthenticated", "Forbidden", "CommandIdReused"} & set(violations):
            self._latest[said.source, said.id] = result
        self._out.append(result)


def moment(text: str) -> datetime:
    """Parse an instant as stories write it."""
    return datetime.fromisoformat(text)


def _shown(account: dict[str, Any]) -> Seen:
    held = [(hold["reason"], hold["message"], hold["by"], hold["asked"]) for hold in account["holds"]]
    shown = [
        "version",
        "phase",
        "conditions",
        "displayName",
        "currency",
        "terms",
        "preferences",
        "profile",
        "activated",
        "closure",
    ]
    return {name: copied(account[name]) for name in shown} | {"holds": held}
