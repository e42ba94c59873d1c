"""The model's bindings (docs/contract.md, section 5): who pays now, who will pay later, and who waits."""

from datetime import datetime, timedelta
from typing import Any

from tests.support.model.ledger import Answer, Ledger, moment
from tests.support.model.said import Said
from tests.support.model.shape import MEMBERS

WORTH_WAITING = {"AccountNotFound", "ProjectNotFound", "AccountNotReady"}


class Bindings(Ledger):
    """Binds projects in an organization whose accounts and projects are known."""

    def _bind_project(self, said: Said, is_dry: bool) -> Answer:
        data, queue = said.data, self.state["queues"].setdefault(said.data["project"], [])
        due = self._now + timedelta(seconds=data.get("waitSeconds") or 0)
        if queue and not is_dry:
            queue.append({"said": said, "due": due})
            return "Waiting", []
        broken = self._bind_violations(data)
        if broken:
            if data.get("waitSeconds") and set(broken) <= WORTH_WAITING:
                queue.append({"said": said, "due": due})
                return "Waiting", []
            return "Rejected", broken
        if data.get("effectiveAt") and moment(data["effectiveAt"]) > self._now:
            project = self.state["projects"][data["project"]]
            self._end_schedule(project)
            project["scheduled"] = {"said": said, "due": moment(data["effectiveAt"])}
            return "Scheduled", []
        return self._bind(data["project"], data["account"], data.get("reason")), []

    def _bind_violations(self, data: dict[str, Any]) -> list[str]:
        broken = self._payer_violations(data["account"])
        project = self.state["projects"].get(data["project"])
        if project is None or project["state"] == "Deleted":
            broken.append("ProjectNotFound")
        else:
            if project["state"] == "Inactive":
                broken.append("ProjectNotActive")
            if "expectedAccount" in data and data["expectedAccount"] != project["payer"]:
                broken.append("PreconditionFailed")
        return broken

    def _payer_violations(self, name: str) -> list[str]:
        account = self.state["accounts"].get(name)
        if account is None:
            return ["AccountNotFound"]
        if account["phase"] == "Archived":
            return ["AccountArchived"]
        not_ready = [] if account["phase"] == "Ready" else ["AccountNotReady"]
        return not_ready + (["AccountClosing"] if account["closure"] else [])

    def _bind(self, name: str, payer: str, reason: str | None, by: str | None = None) -> str:
        project = self.state["projects"][name]
        if project["payer"] == payer:
            return "Unchanged"
        if by is None:
            self._end_schedule(project)
        account, before, project["payer"] = self.state["accounts"][payer], project["payer"], payer
        if before is not None:
            self.state["accounts"][before]["ended"] = self._now
        told = {
            "type": "BindingChanged",
            "change": "Superseded" if before else "Bound",
            "payer": payer,
            "before": before,
            "touches": True if before else None,
            "currency": account["currency"],
            "netDays": account["terms"]["netDays"],
            "because": reason,
            "of": "command" if self._cause.type in MEMBERS else "fact",
        }
        self._event("binding", project, name, told, by)
        return "Applied"

    def _transfer(self, data: dict[str, Any]) -> Answer:
        source, target = data["fromAccount"], data["toAccount"]
        account, projects = self.state["accounts"].get(source), self.state["projects"]
        broken = self._payer_violations(target)
        paid = [name for name in sorted(projects) if projects[name]["payer"] == source]
        if account is None:
            broken.append("AccountNotFound")
        elif account["phase"] == "Archived":
            broken.append("AccountArchived")
        elif any(name not in paid for name in data.get("projects") or []):
            broken.append("PreconditionFailed")
        if broken:
            return "Rejected", broken
        moving = sorted(data.get("projects") or paid)
        for name in moving:
            self._bind(name, target, data.get("reason"))
        return "Applied" if moving else "Unchanged", []

    def _release(self, name: str, project: dict[str, Any]) -> None:
        payer, project["payer"] = project["payer"], None
        if payer is not None:
            self.state["accounts"][payer]["ended"] = self._now
            nobody = dict.fromkeys(("payer", "touches", "currency", "netDays"))
            told = {"type": "BindingChanged", "change": "Released", "before": payer, **nobody}
            self._event("binding", project, name, told | {"because": "ProjectDeleted", "of": "fact"})
        self._end_schedule(project)

    def _end_schedule(self, project: dict[str, Any]) -> None:
        if project["scheduled"] is not None:
            self._superseded.append(project["scheduled"])
            project["scheduled"] = None

    def _supersede(self) -> None:
        self._own = []
        for pending in self._superseded:
            self._result(pending["said"], "Rejected", ["Superseded"], False)
        self._superseded = []

    def _serve(self) -> None:
        """Judge the head of every queue until everything left has to wait."""
        for queue in self.state["queues"].values():
            while queue:
                data = queue[0]["said"].data
                broken = self._bind_violations(data)
                if broken and set(broken) <= WORTH_WAITING and queue[0]["due"] > self._now:
                    break
                pending = queue.pop(0)
                appointed = moment(data["effectiveAt"]) if data.get("effectiveAt") else self._now
                if not broken and appointed > self._now:
                    project = self.state["projects"][data["project"]]
                    self._end_schedule(project)
                    project["scheduled"] = pending | {"due": appointed}
                    self._supersede()
                else:
                    self._finish(pending)

    def _finish(self, pending: dict[str, Any]) -> None:
        said = self._cause = pending["said"]
        self._own = []
        broken = self._bind_violations(said.data)
        outcome = (
            "Rejected" if broken else self._bind(said.data["project"], said.data["account"], said.data.get("reason"))
        )
        self._out += self._own
        self._result(said, outcome, broken, False)
        self._supersede()

    def _due(self) -> list[tuple[datetime, str, str]]:
        found = [(queue[0]["due"], "WaitingBinding", name) for name, queue in self.state["queues"].items() if queue]
        for name, project in self.state["projects"].items():
            if project["scheduled"]:
                found.append((project["scheduled"]["due"], "ScheduledBinding", name))
        for name, profile in self.state["profiles"].items():
            if profile["due"]:
                found.append((profile["due"], "PaymentProfile", name))
        return found
