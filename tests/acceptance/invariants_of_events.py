"""What must hold for the events of every case: invariants 4 to 7 and 13 of `cases/FORMAT.md`, section 8."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.acceptance import shapes
from tests.acceptance.case_log import CaseLog, Cause
from tests.acceptance.json_types import Json
from tests.acceptance.records import OutputRecord
from tests.acceptance.vocabulary import (
    COMMANDS_THAT_CHANGE_AN_ACCOUNT,
    COMMANDS_THAT_CHANGE_NO_ACCOUNT,
    EVENT_TOPICS,
    REASONS_OF_PHASE,
    to_instant,
)

_PREVIOUS_REPEATS = ("bindingId", "account", "establishedAt")


def event_invariants(log: CaseLog) -> Iterator[str]:
    """Yield every way in which the events of a case break invariants 4 to 7 and 13."""
    for subject, events in _by_subject(log, "BindingChanged").items():
        yield from (f"4: {subject}: {problem}" for problem in _binding_chain(events))
    yield from _binding_ids(log)
    for subject, events in _by_subject(log, "AccountPhaseChanged").items():
        yield from (f"5: {subject}: {problem}" for problem in _phase_chain(events))
    yield from (f"6: {problem}" for problem in _account_changes(log))
    for record in log.outputs:
        if record.topic in EVENT_TOPICS:
            yield from (f"7: {problem}: {record.abbreviated()}" for problem in _shapes(record))
    yield from (f"13: {problem}" for problem in _notices(log))


def _binding_chain(events: list[OutputRecord]) -> Iterator[str]:
    """4: each event continues where the one before it ended, at rising instants."""
    payer: Json = None
    last = None
    for event in events:
        previous, current = event.data.get("previous"), event.data.get("current")
        shown = event.abbreviated()
        taken_up = previous if previous is None else {name: previous.get(name) for name in _PREVIOUS_REPEATS}
        left = payer if payer is None else {name: payer.get(name) for name in _PREVIOUS_REPEATS}
        if taken_up != left:
            yield f"previous is not the current of the event before: {shown}"
        change = {(False, True): "Bound", (True, True): "Superseded", (True, False): "Released"}.get(
            (previous is not None, current is not None)
        )
        if event.data.get("change") != change:
            yield f"change {event.data.get('change')} instead of {change}: {shown}"
        began = None if current is None else to_instant(current.get("establishedAt"))
        ended = None if previous is None else to_instant(previous.get("endedAt"))
        if previous is not None and current is not None and (ended is None or ended != began):
            yield f"previous.endedAt is not current.establishedAt: {shown}"
        instant = began or ended
        time = to_instant(event.attributes.get("time"))
        if instant is None or time is None or (last is not None and (instant <= last[0] or time <= last[1])):
            yield f"its instants do not rise: {shown}"
        else:
            last = (instant, time)
            if time != instant:
                yield f"its time is not the instant of the change: {shown}"
        payer = current


def _binding_ids(log: CaseLog) -> Iterator[str]:
    seen: set[str] = set()
    for record in log.outputs:
        current = record.data.get("current") if record.name == "BindingChanged" else None
        if isinstance(current, dict):
            binding_id = current.get("bindingId")
            if not isinstance(binding_id, str) or binding_id in seen:
                yield f"4: the bindingId {binding_id} is no text or was used before: {record.abbreviated()}"
            else:
                seen.add(binding_id)


def _phase_chain(events: list[OutputRecord]) -> Iterator[str]:
    """5: each phase follows the one before it, for a reason that fits it."""
    phase: Json = None
    for index, event in enumerate(events):
        data, shown = event.data, event.abbreviated()
        if data.get("previousPhase") != phase:
            yield f"previousPhase {data.get('previousPhase')} instead of {phase}: {shown}"
        if data.get("phase") == phase:
            yield f"{phase} follows itself: {shown}"
        phase = data.get("phase")
        if index == 0 and (phase, data.get("reason")) != ("Provisioning", "Created"):
            yield f"the first phase is {phase} for {data.get('reason')}: {shown}"
        fitting = [reason for reason in REASONS_OF_PHASE.get(phase, ()) if index == 0 or reason != "Created"]
        if data.get("reason") not in fitting:
            yield f"the reason {data.get('reason')} does not fit {phase}: {shown}"


def _account_changes(log: CaseLog) -> Iterator[str]:
    """6: one `AccountChanged`, last, for each cause that changes an account; none for what changes no account."""
    of_account: dict[str, dict[Cause, list[OutputRecord]]] = defaultdict(lambda: defaultdict(list))
    for record in log.outputs:
        if record.topic == "accounts":
            of_account[record.subject][_cause(record)].append(record)
    for subject, of_cause in of_account.items():
        for cause, events in of_cause.items():
            yield from (f"{subject}, cause {cause[1]}: {problem}" for problem in _account_cause(log, cause, events))
    for subject, changes in _by_subject(log, "AccountChanged").items():
        versions = [change.data.get("version") for change in changes]
        rises = all(type(one) is int and type(next_) is int and one < next_ for one, next_ in pairwise(versions))
        if not rises or type(versions[0]) is not int:
            yield f"{subject}: the versions run {versions}"
        yield from (f"a contact: {change.abbreviated()}" for change in changes if "contact" in change.data)
    for sent in log.sent:
        result = log.answers(sent).final
        if result is None or result.data.get("outcome") != "Applied" or result.data.get("dryRun") is True:
            continue
        account = sent.data.get("account") if isinstance(sent.data, dict) else None
        changed = of_account[f"{sent.organization}/{account}"][log.cause_of(sent)]
        if sent.name in COMMANDS_THAT_CHANGE_AN_ACCOUNT and not changed:
            yield f"{sent.label}: {sent.name} was applied without an AccountChanged"
        caused = [event for event in log.events_of(log.cause_of(sent)) if event.topic == "accounts"]
        alone = all(other.name == sent.name for other in log.sent if log.cause_of(other) == log.cause_of(sent))
        if sent.name in COMMANDS_THAT_CHANGE_NO_ACCOUNT and caused and alone:
            yield f"{sent.label}: {sent.name} changed an account: {caused[0].abbreviated()}"


def _account_cause(log: CaseLog, cause: Cause, events: list[OutputRecord]) -> Iterator[str]:
    """Yield the events of one cause on one account, which an `AccountChanged` ends."""
    ends = [index for index, event in enumerate(events) if event.name == "AccountChanged"]
    if not ends or ends[-1] != len(events) - 1:
        yield f"AccountChanged is not the last event: {[event.name for event in events]}"
    if len(ends) > _occasions(log, cause):
        yield f"{len(ends)} times AccountChanged"
    last_phase: OutputRecord | None = None
    for event in events:
        if event.name == "AccountPhaseChanged":
            last_phase = event
        else:
            for member in ("phase", "holds"):
                if last_phase is not None and event.data.get(member) != last_phase.data.get(member):
                    yield f"its {member} are not those of the last AccountPhaseChanged: {event.abbreviated()}"
            last_phase = None


def _notices(log: CaseLog) -> Iterator[str]:
    """13: one notice of a kind per project and cause, and only if the account's phase calls for it."""
    moves: dict[tuple[Cause, str], list[tuple[Json, Json]]] = defaultdict(list)
    for record in log.outputs:
        if record.name == "AccountPhaseChanged":
            move = (record.data.get("previousPhase"), record.data.get("phase"))
            moves[_cause(record), str(record.data.get("account"))].append(move)
    told: dict[tuple[str, Json, Cause], int] = defaultdict(int)
    occasion: dict[Json, Callable[[Json, Json], bool]] = {
        "AccountSuspended": lambda _previous, phase: bool(phase == "Suspended"),
        "AccountNotReady": lambda previous, phase: previous == "Ready" and phase not in ("Ready", "Suspended"),
        "AccountReady": lambda _previous, phase: bool(phase == "Ready"),
        "PayerMissing": lambda _previous, _phase: True,
    }
    for record in log.outputs:
        if record.topic != "notices":
            continue
        kind, cause = record.data.get("kind"), _cause(record)
        told[record.subject, kind, cause] += 1
        if told[record.subject, kind, cause] > _occasions(log, cause):
            yield f"a notice again: {record.abbreviated()}"
        if kind not in occasion:
            yield f"a notice of no known kind: {record.abbreviated()}"
        elif kind != "PayerMissing":
            own_moves = moves[cause, str(record.data.get("account"))]
            if not any(occasion[kind](previous, phase) for previous, phase in own_moves):
                yield f"a notice without its change of phase: {record.abbreviated()}"


def _occasions(log: CaseLog, cause: Cause) -> int:
    """Return how often a cause may act: once for each record that shares it, and once more when a profile expires."""
    if cause not in {log.cause_of(sent) for sent in log.sent if sent.kind != "raw"}:
        return max(1, sum(sent.kind == "raw" for sent in log.sent))
    sharing = [sent for sent in log.sent if sent.kind != "raw" and log.cause_of(sent) == cause]
    expiries = [sent for sent in sharing if isinstance(sent.data, dict) and sent.data.get("expiresAt") is not None]
    return len(sharing) + len(expiries)


def _shapes(record: OutputRecord) -> Iterator[str]:
    data = record.data
    if record.name in ("AccountPhaseChanged", "AccountChanged"):
        yield from shapes.holds(data.get("holds"))
    if record.name == "AccountChanged":
        yield from shapes.closure(data.get("closure"))
        yield from shapes.conditions(data.get("conditions"))
    if record.name != "ProjectBillingNotice":
        yield from shapes.cause(data.get("cause"), record.cause)


def _by_subject(log: CaseLog, name: str) -> dict[str, list[OutputRecord]]:
    by_subject: dict[str, list[OutputRecord]] = defaultdict(list)
    for record in log.outputs:
        if record.name == name:
            by_subject[record.subject].append(record)
    return by_subject


def _cause(record: OutputRecord) -> Cause:
    return record.organization, str(record.cause)
