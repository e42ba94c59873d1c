"""The model: decisions are replayed in the order in which they came back; each outcome must follow from what was known.

Nobody outside can know when a fact was read, so project states are not judged here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.faults.judge.evidence import Json
from tests.faults.judge.reading import ON_ACCOUNTS, Asked
from tests.faults.judge.stories import INTERIM, Event, Story, kind_of, moment
from tests.faults.judge.tokens import person

_IDENTITY = {"Expired", "UnknownCommand"}
_SHAPE = {"Invalid", "CardNumber"}
_OF_THE_PAYER = {"AccountNotFound", "AccountArchived", "AccountNotReady", "AccountClosing"}
_EXPIRED = "PaymentProfileExpired"


@dataclass
class Known:
    """What is known about an organization at a place in the log: accounts as last published, and who pays."""

    accounts: dict[str, Json] = field(default_factory=dict)
    payers: dict[str, str] = field(default_factory=dict)

    def learn(self, event: Event) -> None:
        """Take in an event."""
        if event.name == "AccountChanged":
            self.accounts[event.data["account"]] = event.data
        elif event.name == "BindingChanged":
            self.payers.pop(event.data["project"], None)
            if event.data["current"]:
                self.payers[event.data["project"]] = event.data["current"]["account"]

    def paid_by(self, account: str) -> set[str]:
        """Return the projects that an account pays for."""
        return {project for project, payer in self.payers.items() if payer == account}

    def broken_of_payer(self, name: str) -> set[str]:
        """Return what prevents an account from taking new bindings."""
        account = self.accounts.get(name)
        if account is None:
            return {"AccountNotFound"}
        if account["phase"] == "Archived":
            return {"AccountArchived"}
        not_ready = set() if account["phase"] == "Ready" else {"AccountNotReady"}
        return not_ready | ({"AccountClosing"} if account["closure"] else set())


def outcomes_follow_from_what_was_known(story: Story) -> Iterator[str]:
    """Each outcome and each broken rule follows from the accounts and payers of that moment."""
    asked: dict[tuple[str, str], Asked] = {}
    for said in story.asked:
        if not said.is_dry and said.is_admitted:
            asked.setdefault(said.identity, said)
    known = Known()
    own: list[Event] = []
    for event in story.events:
        if event.name != "CommandCompleted":
            own.append(event)
            continue
        command = asked.get((event.data["commandSource"], event.data["commandId"]))
        # A command's own events come right before its result; what precedes them was known when it was decided.
        mine = [one for one in own if command is not None and one.cause == command.id]
        for one in own:
            if command is None or one.cause != command.id:
                known.learn(one)
        if command is not None and kind_of(event) in ("final", "interim"):
            wrong = [*_judged(command, event.data, known, mine), *_too_early(command, event), *_astray(command, mine)]
            yield from (f"{command.id} ({command.kind}) {one}" for one in wrong)
        for one in mine:
            known.learn(one)
        own = []


def _judged(asked: Asked, result: Json, known: Known, own: list[Event]) -> Iterator[str]:
    outcome, data = result["outcome"], asked.data
    broken = {violation["reason"] for violation in result["violations"]}
    if (outcome == "Rejected") != bool(broken):
        yield f"is {outcome} and breaks {sorted(broken)}"
    if broken & (_IDENTITY | _SHAPE | {"Superseded"}):
        return
    match asked.kind:
        case "BindProject":
            yield from _binding(data, outcome, broken, known)
        case "TransferProjects":
            yield from _transfer(data, result, broken, known)
        case "CreateAccount":
            if ("AccountExists" in broken) != (data["account"] in known.accounts):
                yield f"breaks {sorted(broken)}, the account was there: {data['account'] in known.accounts}"
        case kind if kind in ON_ACCOUNTS:
            if not (outcome == "Applied" and _has_run_out(asked.data["account"], known, own)):
                yield from _on_account(asked, outcome, broken, known)
        case _:
            pass


def _has_run_out(account: str, known: Known, own: list[Event]) -> bool:
    """Return whether a command's own events report a profile that had expired before anybody noticed."""
    before = known.accounts.get(account)
    return any(
        event.name == "AccountChanged"
        and event.data["account"] == account
        and before is not None
        and _EXPIRED in _reasons(event.data)
        and _EXPIRED not in _reasons(before)
        for event in own
    )


def _reasons(account: Json) -> set[str]:
    return {condition["reason"] for condition in account["conditions"]}


def _binding(data: Json, outcome: str, broken: set[str], known: Known) -> Iterator[str]:
    payer = known.payers.get(data["project"])
    due = known.broken_of_payer(data["account"])
    is_queued = outcome == "Waiting"
    if not is_queued and broken & _OF_THE_PAYER != due:
        yield f"is {outcome} and breaks {sorted(broken & _OF_THE_PAYER)}, of its account it should be {sorted(due)}"
    if outcome == "Unchanged" and payer != data["account"]:
        yield f"is Unchanged, and {payer} was paying"
    if outcome == "Applied" and payer == data["account"]:
        yield "is Applied, and its account was paying already"
    is_unexpected = "expectedAccount" in data and data["expectedAccount"] != payer
    if "PreconditionFailed" in broken and not is_unexpected:
        yield f"fails its precondition, and {payer} was paying"
    if outcome in ("Applied", "Unchanged", "Scheduled") and is_unexpected:
        yield f"is {outcome}, and {payer} was paying, not {data['expectedAccount']}"
    if outcome == "Scheduled" and not data.get("effectiveAt"):
        yield "is Scheduled, and has no instant"
    if outcome not in INTERIM and not broken and outcome not in ("Applied", "Unchanged"):
        yield f"ends as {outcome}"


def _too_early(asked: Asked, result: Event) -> Iterator[str]:
    effective_at = asked.data.get("effectiveAt") if asked.kind == "BindProject" else None
    if effective_at and result.data["outcome"] in ("Applied", "Unchanged") and result.time < moment(effective_at):
        yield f"is {result.data['outcome']} at {result.time}, before its instant"


def _astray(asked: Asked, own: list[Event]) -> Iterator[str]:
    data, moves = asked.data, asked.kind == "TransferProjects"
    for event in own:
        if event.name != "BindingChanged":
            continue
        project, current, previous = (event.data[name] for name in ("project", "current", "previous"))
        if (current or {}).get("account") != data.get("toAccount" if moves else "account"):
            yield f"has {current} pay for {project}, and asks for another account"
        if moves and (previous or {}).get("account") != data["fromAccount"]:
            yield f"takes {project} from {previous}, and asks to take from another account"
        if not moves and project != data.get("project"):
            yield f"binds {project}, and asks for {data.get('project')}"


def _transfer(data: Json, result: Json, broken: set[str], known: Known) -> Iterator[str]:
    source, target = data["fromAccount"], data["toAccount"]
    due = known.broken_of_payer(target)
    due |= known.broken_of_payer(source) & {"AccountNotFound", "AccountArchived"}
    if broken & _OF_THE_PAYER != due:
        yield f"breaks {sorted(broken & _OF_THE_PAYER)}, of its accounts it should be {sorted(due)}"
    paid = known.paid_by(source)
    listed = set(data.get("projects") or paid)
    judges_source = not due & {"AccountArchived"} or source in known.accounts
    if source in known.accounts and judges_source and ("PreconditionFailed" in broken) != bool(listed - paid):
        yield f"breaks {sorted(broken)}, and of the listed {sorted(listed - paid)} were not its own"
    if not broken and result["projectCount"] != len(listed):
        yield f"moves {result['projectCount']} projects, {len(listed)} were to move"
    if not broken and (result["outcome"] == "Unchanged") != (not listed):
        yield f"is {result['outcome']}, and {len(listed)} projects were to move"


def _on_account(asked: Asked, outcome: str, broken: set[str], known: Known) -> Iterator[str]:
    name, data = asked.data["account"], asked.data
    account = known.accounts.get(name)
    if account is None or account["phase"] == "Archived":
        due = "AccountNotFound" if account is None else "AccountArchived"
        erases = asked.kind == "UpdateAccount" and data.get("contact", "") is None
        if due not in broken and not erases:
            yield f"is {outcome}, and {due} should be"
        return
    if broken & {"AccountNotFound", "AccountArchived"}:
        yield f"breaks {sorted(broken)}, and the account was there"
    held = {hold["reason"]: hold for hold in account["holds"]}
    asked_for = {reason for reason, hold in held.items() if hold["reactivation"]}
    match asked.kind:
        case "SuspendAccount":
            due = "Unchanged" if data["reason"] in held and data["reason"] not in asked_for else "Applied"
        case "RequestReactivation":
            due = "Rejected" if not held else "Applied" if held.keys() - asked_for else "Unchanged"
        case "ApproveReactivation":
            of_others = [reason for reason in asked_for if not _is_sender(held[reason]["reactivation"]["by"], asked)]
            due = "Applied" if of_others else "Rejected"
        case "RequestClosure":
            due = _closure(account, broken, known)
        case "ApproveClosure" if account["closure"] is None or _is_sender(account["closure"]["by"], asked):
            due = "Rejected"
        case "ApproveClosure":
            due = "Rejected" if known.paid_by(name) else outcome
        case "WithdrawClosure":
            due = "Applied" if account["closure"] else "Unchanged"
        case _:
            due = outcome
    if outcome != due:
        yield f"is {outcome}, {due} should be"


def _is_sender(name: str, asked: Asked) -> bool:
    return asked.sender is not None and person(name) == person(asked.sender)


def _closure(account: Json, broken: set[str], known: Known) -> str:
    if account["closure"]:
        return "Unchanged"
    if known.paid_by(account["account"]):
        return "Rejected" if "ActiveBindingsExist" in broken else "Rejected for its bindings"
    return "Rejected" if broken == {"ChargesOutstanding"} else "Applied"
