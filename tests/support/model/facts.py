"""The model's facts (docs/contract.md, section 3): versions, uids, and their consequences for payers."""

from typing import Any

from tests.support.model.bindings import Bindings
from tests.support.model.ledger import moment


class Facts(Bindings):
    """Takes in what others report."""

    def _learn_project(self, fact: dict[str, Any]) -> None:
        name, self._own, self._superseded = fact["project"], [], []
        known = self.state["projects"].get(name)
        unknown: dict[str, Any] = {
            "state": None,
            "uid": None,
            "payer": None,
            "sequence": 0,
            "scheduled": None,
            "retired": [],
        }
        project = known or unknown
        was, uid = project["state"], fact.get("uid")
        if uid in project["retired"]:
            return
        if known and uid and known["uid"] and uid != known["uid"]:
            if fact["state"] == "Deleted" and was != "Deleted":
                return
            self._release(name, project)
            project["retired"].append(project["uid"])
            was = None
        elif known and fact["version"] <= known["version"]:
            same = (uid or known["uid"], fact["state"], fact.get("displayName"))
            if fact["version"] == known["version"] and same != (known["uid"], was, known["displayName"]):
                self._out.append({"about": f"dead letters {self.organization}", "reason": "VersionConflict"})
            return
        news = {"state": fact["state"], "version": fact["version"], "displayName": fact.get("displayName")}
        project |= news | {"uid": uid or project["uid"]}
        self.state["projects"][name] = project
        if fact["state"] == "Deleted":
            self._release(name, project)
        cause = self._cause
        self._out += self._own
        self._supersede()
        self._serve()
        if fact["state"] == "Active" and was != "Active" and project["payer"] is None:
            self._cause = cause
            self._find_payer(name)
        self._serve()

    def _find_payer(self, name: str) -> None:
        default, self._own = self.state["default"], []
        if default is None or self._payer_violations(default):
            self._notice(name, None, "PayerMissing", "ProjectUnbound")
        else:
            self._bind(name, default, None, by="system:default-account")
        self._out += self._own

    def _learn_profile(self, fact: dict[str, Any]) -> None:
        name, known = fact["paymentProfile"], self.state["profiles"].get(fact["paymentProfile"])
        expires = moment(fact["expiresAt"]) if fact.get("expiresAt") else None
        content = {"state": fact["state"], "kind": fact["kind"], "expires": expires, "reason": fact.get("reason")}
        if known is not None:
            if known["state"] == "Removed" or fact["version"] < known["version"]:
                return
            if fact["version"] == known["version"]:
                if content != {member: known[member] for member in content}:
                    self._out.append({"about": f"dead letters {self.organization}", "reason": "VersionConflict"})
                return
        is_expiring = expires is not None and fact["state"] == "Valid" and expires > self._now
        kept = {"version": fact["version"], "due": expires if is_expiring else None, "said": self._cause}
        self.state["profiles"][name] = content | kept
        self._settle_attached(name)
        self._serve()
