"""An independent, deliberately simple model of the contract: dictionaries and plain ifs over raw JSON.

It shares no code with the service. Everything is decided on a copy of the whole state, which is thrown away if the
command is refused or a dry run.
"""

from datetime import datetime

from tests.support.copying import copied
from tests.support.model import accounts
from tests.support.model.facts import Facts
from tests.support.model.ledger import Answer, moment
from tests.support.model.people import person
from tests.support.model.rights import lacking
from tests.support.model.said import Said
from tests.support.model.seen import Seen
from tests.support.model.shape import MEMBERS, meaning, shape_violations


class Model(Facts):
    """What one organization should see. `hear` and `pass_time` return the events."""

    def hear(self, said: Said, now: datetime) -> list[Seen]:
        """Decide a message at an instant by which everything due has been done."""
        self._now, self._out, self._cause = now, [], said
        if said.type == "ProjectChanged":
            self._learn_project(said.data)
        elif said.type == "PaymentProfileChanged":
            self._learn_profile(said.data)
        else:
            self._answer(said)
        return self._out

    def pass_time(self, now: datetime) -> list[Seen]:
        """Do what has just fallen due."""
        self._now, self._out = now, []
        for _, kind, name in sorted(due for due in self._due() if due[0] <= now):
            if kind == "PaymentProfile":
                profile = self.state["profiles"][name]
                self._cause, profile["due"] = profile["said"], None
                self._settle_attached(name)
            elif kind == "ScheduledBinding":
                project = self.state["projects"].get(name)
                if project and project["scheduled"] and project["scheduled"]["due"] <= now:
                    pending, project["scheduled"] = project["scheduled"], None
                    self._finish(pending)
            self._serve()
        return self._out

    def next_due(self) -> datetime | None:
        """Return when something is due next."""
        return min((instant for instant, _, _ in self._due()), default=None)

    def _answer(self, said: Said) -> None:
        data, key = said.data, (said.source, said.id)
        is_dry = data.get("dryRun") is True
        is_known = said.type in MEMBERS
        lacks = [] if said.token is None else lacking(said.type, data, said.organization, list(said.token.grants))
        if said.asker is None or lacks:
            self._own = []
            self._result(said, "Rejected", ["Forbidden"] * len(lacks) if said.asker else ["Unauthenticated"], is_dry)
            return
        faults = shape_violations(said.type, data) if is_known else []
        as_sent = (said.type, {name: value for name, value in data.items() if name != "dryRun"})
        means = meaning(said.type, data) if is_known and not faults else as_sent
        claimed = None if is_dry else self._claimed.get(key)
        if claimed == means:
            if said.answer == "again":
                self._out.append(self._latest[key] | {"repeated": True, "authid": said.asker})
            return
        broken = []
        if claimed is not None:
            broken.append("CommandIdReused")
        if said.expirytime is not None and moment(said.expirytime) < self._now:
            broken.append("Expired")
        if not is_known:
            broken.append("UnknownCommand")
        if not is_dry and claimed is None:
            self._claimed[key] = means
        if said.answer not in (None, "again"):
            faults = ["Invalid", *faults]
        before, self._own, self._superseded = copied(self.state), [], []
        outcome, violations = ("Rejected", broken or faults) if broken or faults else self._judge(said, is_dry)
        if violations:
            outcome = "Rejected"
        if is_dry or outcome == "Rejected":
            self.state, self._superseded = before, []
        if outcome != "Rejected" and not is_dry:
            self._out += self._own
        self._result(said, outcome, violations, is_dry)
        if outcome != "Rejected" and not is_dry:
            self._supersede()
            self._serve()

    def _judge(self, said: Said, is_dry: bool) -> Answer:
        data, now = said.data, self._now
        if said.type == "BindProject":
            return self._bind_project(said, is_dry)
        if said.type == "CancelScheduledBinding":
            project = self.state["projects"].get(data["project"])
            if project is None or project["state"] == "Deleted":
                return "Rejected", ["ProjectNotFound"]
            if project["scheduled"] is None:
                return "Unchanged", []
            self._end_schedule(project)
            return "Applied", []
        if said.type == "TransferProjects":
            return self._transfer(data)
        if said.type == "SetDefaultAccount":
            return self._set_default(data["account"])
        if said.type == "ReportBalance" and accounts.is_too_far_ahead(moment(data["asOf"]), now):
            return "Rejected", ["Invalid"]
        return self._change_account(said)

    def _change_account(self, said: Said) -> Answer:
        data, who, name = said.data, str(said.asker), said.data["account"]
        account = self.state["accounts"].get(name)
        wanted = data.get("paymentProfile")
        unwanted = ["UnsupportedPaymentProfile"] if accounts.is_not_allowed(self.state, wanted) else []
        if said.type == "CreateAccount":
            if account is not None or unwanted:
                return "Rejected", ["AccountExists"] * (account is not None) + unwanted
            account = self.state["accounts"][name] = accounts.new_account()
            accounts.update(account, data | {"paymentTerms": data.get("paymentTerms")})
            account["profile"] = wanted
            return self._settled(name, accounts.new_account())
        if account is None:
            return "Rejected", ["AccountNotFound", *unwanted]
        only_erases = said.type == "UpdateAccount" and data.keys() - {"dryRun"} == {
            "organization",
            "account",
            "contact",
        }
        if account["phase"] == "Archived" and not (only_erases and data["contact"] is None):
            return "Rejected", ["AccountArchived"]
        before, reason = copied(account), None
        match said.type:
            case "UpdateAccount":
                broken = accounts.update(account, {name: on for name, on in data.items() if name != "account"})
            case "AttachPaymentProfile":
                broken, account["profile"] = unwanted, wanted
            case "DetachPaymentProfile":
                broken, account["profile"] = [], None
            case "SuspendAccount":
                broken = accounts.suspend(account, data, who)
            case "RequestReactivation":
                broken = accounts.request_reactivation(account, data, who)
            case "ApproveReactivation":
                broken = accounts.approve_reactivation(account, data, who)
            case "ReportBalance":
                broken, is_news = accounts.report_balance(account, data, moment(data["asOf"]))
                return ("Rejected", broken) if broken else ("Applied" if is_news else "Unchanged", [])
            case "WithdrawClosure":
                broken, account["closure"] = [], None
            case "RequestClosure":
                broken, reason = [], data.get("reason")
                if account["closure"] is None:
                    broken, account["closure"] = accounts.blockers(self.state, name), (who, reason)
            case "ApproveClosure":
                if account["closure"] is None:
                    return "Rejected", ["InvalidTransition"]
                broken = ["SelfApproval"] * (person(account["closure"][0]) == person(who)) + accounts.blockers(
                    self.state, name
                )
                account["phase"] = "Archived"
                self.state["default"] = None if self.state["default"] == name else self.state["default"]
            case other:
                raise LookupError(other)
        return ("Rejected", broken) if broken else self._settled(name, before, reason)

    def _set_default(self, name: str | None) -> Answer:
        if name is not None:
            account = self.state["accounts"].get(name)
            if account is None:
                return "Rejected", ["AccountNotFound"]
            if account["phase"] == "Archived":
                return "Rejected", ["AccountArchived"]
            if account["closure"]:
                return "Rejected", ["AccountClosing"]
        was, self.state["default"] = self.state["default"], name
        return "Unchanged" if was == name else "Applied", []
