"""One shard of the database, audited in one snapshot: its log, and the tables of its organizations."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from itertools import pairwise
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.archived import ArchivedShard
from audit.claims import ClaimedIds, digest_of
from audit.findings import Finding, Promise
from audit.log_story import Story, dead_record, extended, is_interim, is_of_claim
from audit.output_topics import Missing
from db import audit
from db.audit import Unloadable
from db.shards import Head
from domain.phase import standing
from domain.state import Account, Binding, Key, PaymentProfile, Project
from schemas.events import Phase
from schemas.instants import format_instant
from schemas.policy import OperatorPolicy
from schemas.topics import Topic

R = TypeVar("R")

_FOUND_BY = ("outcome", "project", "account")
"""What of its result a command's row of `inbox` repeats."""
_TIMERS_MARGIN = timedelta(minutes=1)
"""How late an expiry may be handled before it counts as forgotten."""


class ShardAudit:
    """Audits the organizations of one shard against the story that its log tells."""

    def __init__(
        self,
        connection: AsyncConnection,
        organizations: AbstractSet[str],
        policy: OperatorPolicy,
        now: datetime,
        missing: Missing,
        archived: ArchivedShard,
        closed: Mapping[int, ArchivedShard],
    ) -> None:
        """`closed` is what the archive has of closed shards, in which organizations of this one were before."""
        self._connection = connection
        self._organizations = sorted(organizations)
        self._policy = policy
        self._now = now
        self._missing = missing
        self._archived = archived
        self._closed = closed

    async def run(self, story: Story, head: Head, heard: Callable[[int], None]) -> AsyncIterator[Finding]:
        """Hear the whole log (`heard` is called with each position), and compare it with the topics and the tables.

        With those of a shard that is closed its organizations have to do no more: they are in another.
        """
        async for finding in self._archived.run(story, self._missing, heard):
            yield finding
        async for row, recorded_at in audit.log_rows(self._connection, story.shard):
            for finding in story.hear(row):
                yield finding
            for finding in self._missing.look(row, recorded_at):
                yield finding
            heard(row.position)
        for finding in story.end(head.position, head.hash, await audit.kept_from(self._connection)):
            yield finding
        if story.range.ends is None:
            for finding in self._missing.end():
                yield finding
        for position, boundary in await audit.lost_rows(self._connection, story.shard):
            trouble = f"its organization is noted as {boundary or 'none'}, which its key does not begin with"
            yield Finding(Promise.LOG, f"shard {story.shard}, position {position}", trouble)
        if story.range.ends is not None:
            async for finding in self._dead_letters(story):
                yield finding
            return
        # Include organizations that came after they were listed.
        subjects = story.projects.keys() | story.accounts.keys()
        self._organizations = sorted({*self._organizations, *(subject.split("/")[0] for subject in subjects)})
        async for finding in self._payers(story):
            yield finding
        async for finding in self._accounts(story):
            yield finding
        async for other in audit.unloadable_others(self._connection, self._organizations):
            yield Finding(Promise.STATE, other.place, other.trouble)
        async for finding in self._results(story):
            yield finding
        async for finding in self._dead_letters(story):
            yield finding

    async def _payers(self, story: Story) -> AsyncIterator[Finding]:
        unloadable: list[Unloadable] = []
        projects = {
            project.key: project
            async for project in _loaded(audit.all_projects(self._connection, self._organizations), unloadable)
        }
        bound = set()
        ends: dict[Key, datetime] = {}
        every = _loaded(audit.all_bindings(self._connection, self._organizations), unloadable)
        async for bindings in _by_project(every):
            key = _key(bindings[0])
            bound.add(key)
            for before, after in pairwise(bindings):
                if before.account is not None:
                    payer = (before.organization, before.account)
                    ends[payer] = max(after.from_instant, ends.get(payer, after.from_instant))
            for finding in _payers_of(bindings, projects.get(key), story):
                yield finding
        for key in projects.keys() - bound:
            subject = "/".join(key)
            if counted := projects[key].number:
                yield Finding(Promise.PAYERS, subject, f"it counts {counted} changes of payer, but has no bindings")
            if subject in story.projects:
                yield Finding(Promise.PAYERS, subject, "the log reports payers, but there are no bindings")
        for subject in story.projects.keys() - {"/".join(key) for key in projects}:
            yield Finding(Promise.PAYERS, subject, "the log reports payers, but the project is missing")
        for row in unloadable:
            yield Finding(Promise.STATE, row.place, row.trouble)
        kept = await audit.all_former_payers(self._connection, self._organizations)
        for key in sorted(ends.keys() | kept.keys()):
            if kept.get(key) != ends.get(key):
                found, said = (instant and format_instant(instant) for instant in (ends.get(key), kept.get(key)))
                yield Finding(
                    Promise.PAYERS, "/".join(key), f"its last binding to end did so at {found}, the table says {said}"
                )

    async def _accounts(self, story: Story) -> AsyncIterator[Finding]:
        known = set()
        async for account, profile, last_number, last_phase in audit.all_accounts(
            self._connection, self._organizations
        ):
            if isinstance(account, Unloadable):
                known.add(account.place)
                yield Finding(Promise.STATE, account.place, account.trouble)
                continue
            subject = "/".join(account.key)
            known.add(subject)
            if not isinstance(profile, Unloadable):
                for trouble in self._phase_troubles(account, profile):
                    yield Finding(Promise.PHASES, subject, trouble)
            if (last_number, last_phase) != (account.phases, account.phase):
                yield Finding(
                    Promise.PHASES,
                    subject,
                    f"it entered {account.phases} phases and is {account.phase}, but its history ends with number "
                    f"{last_number}, {last_phase}",
                )
            told = story.accounts.get(subject)
            if told is None and story.is_whole:
                yield Finding(Promise.PHASES, subject, "the log does not mention this account")
            elif told and (told.sequence, told.phase, told.version) != (
                account.sequence,
                account.phase,
                account.version,
            ):
                yield Finding(
                    Promise.PHASES,
                    subject,
                    f"it is at sequence {account.sequence}, {account.phase}, version {account.version}; the log says "
                    f"{told.sequence}, {told.phase}, {told.version}",
                )
        for subject in story.accounts.keys() - known:
            yield Finding(Promise.PHASES, subject, "the log mentions this account, but it is missing")
        async for row in audit.misplaced_phases(self._connection, self._organizations):
            told_at = row["position"]
            archived = self._archive_of(row)
            is_archived = row["is_missing"] and told_at is not None and told_at <= archived.border
            if (not is_archived and story.is_whole) or not row["is_missing"] or not archived.is_phase(row):
                subject = f"{row['organization']}/{row['account']}"
                trouble = f"phase {row['number']} was not told at position {row['position']}, as is noted"
                yield Finding(Promise.PHASES, subject, trouble)

    def _archive_of(self, row: Mapping[str, Any]) -> ArchivedShard:
        """Return what the archive has of the shard in which something was told."""
        return self._closed.get(row["shard"], self._archived)

    def _phase_troubles(self, account: Account, profile: PaymentProfile | None) -> Iterator[str]:
        if account.phase is Phase.ARCHIVED:
            return
        found = (account.phase, account.conditions[-1].reason if account.conditions else None)
        # The operator's policy may have changed since: it is applied when the account or its profile changes.
        policies = [self._policy]
        if profile:
            policies += [OperatorPolicy(payment_profile_kinds=frozenset(kinds)) for kinds in ([profile.kind], [])]
        # The timers may not have handled an expiry yet.
        instants = (self._now, self._now - _TIMERS_MARGIN) if profile and profile.due_at else (self._now,)
        following = [standing(account, profile, policy, now) for policy in policies for now in instants]
        if found not in [(one.phase, one.reason) for one in following]:
            right = f"{following[0].phase} ({following[0].reason})"
            yield f"it is {found[0]} ({found[1]}), but from what is known it should be {right}"

    async def _results(self, story: Story) -> AsyncIterator[Finding]:
        known = ClaimedIds()
        async for claim in audit.all_claims(self._connection, self._organizations):
            place = f"command {claim['command_id']} of {claim['source']} to {claim['organization']}"
            where = f"shard {claim['shard']}, position {claim['position']}"
            command = (claim["organization"], claim["source"], claim["command_id"])
            if claim["value"] is None:
                archived = self._archive_of(claim)
                if archived.has_read(claim["position"]):
                    known.add(digest_of(command))
                if story.is_whole and claim["position"] > archived.border:
                    yield Finding(Promise.RESULTS, place, f"it is claimed, but has no result at {where}")
                elif claim["position"] <= archived.border and not archived.is_result_of(claim):
                    yield Finding(Promise.RESULTS, place, f"the row at {where}, in the archive, is not its result")
                continue
            known.add(digest_of(command))
            result = orjson.loads(claim["value"])["data"] if claim["topic"] == Topic.COMMAND_RESULTS else None
            if result is None or _command_of(result) != command or not is_of_claim(result):
                yield Finding(Promise.RESULTS, place, f"the row at {where} is not its result")
            elif is_interim(result) and command not in story.unanswered:
                yield Finding(Promise.RESULTS, place, f"the row at {where} is not its last result")
            elif any(claim[name] != result.get(name) for name in _FOUND_BY):
                noted = ", ".join(f"{name} {claim[name]}" for name in _FOUND_BY)
                yield Finding(Promise.RESULTS, place, f"it is found by {noted}: its result says otherwise")
        async for forgotten in audit.forgotten_commands(self._connection, story.shard):
            place = f"forgotten command at shard {story.shard}, position {forgotten['position']}"
            if forgotten["value"] is None:
                if self._archived.has_read(forgotten["position"]):
                    known.add(forgotten["digest"])
                if story.is_whole and not self._archived.has_result(forgotten["position"]):
                    yield Finding(Promise.RESULTS, place, "there is no such row in the log")
                continue
            known.add(forgotten["digest"])
            if trouble := _forgotten_trouble(forgotten):
                yield Finding(Promise.RESULTS, place, trouble)
        # Of what has had other shards the ids that are known are not those that one shard's log tells of.
        is_only_range = story.range.first == 0 and story.range.ends is None
        if is_only_range and not self._archived.is_damaged and known != story.claimed:
            trouble = f"{story.claimed.number} commands were answered, {known.number} ids are known"
            if known.number == story.claimed.number:
                trouble += ", of other commands"
            yield Finding(Promise.RESULTS, f"shard {story.shard}", f"{trouble}: an id could get another meaning")
        pending = {
            (row["organization"], row["source"], row["command_id"])
            async for row in audit.all_pending(self._connection, self._organizations)
        }
        for command, position in story.unanswered.items():
            if command not in pending:
                place = f"command {command[2]} of {command[1]} to {command[0]}"
                yield Finding(
                    Promise.RESULTS, place, f"it has been waiting since position {position}, but nothing is pending"
                )
        if story.is_whole:
            for command in pending - story.unanswered.keys():
                place = f"command {command[2]} of {command[1]} to {command[0]}"
                yield Finding(Promise.RESULTS, place, "it is pending, but was answered, or the log never mentions it")

    async def _dead_letters(self, story: Story) -> AsyncIterator[Finding]:
        told = dict(story.dead)
        async for letter in audit.all_dead_letters(self._connection, story.shard):
            place, where = f"dead letter {letter['number']}", f"shard {story.shard}, position {letter['position']}"
            kept = dead_record(letter["place"], format_instant(letter["timestamp"]), letter["reason"])
            published = told.pop(letter["position"], None)
            if published is None:
                if story.is_whole:
                    yield Finding(Promise.DEAD_LETTERS, place, f"it is kept, but has no event at {where}")
            elif published != kept:
                yield Finding(Promise.DEAD_LETTERS, place, f"it is kept as {kept}, and was published as {published}")
        for position, published in told.items():
            where = f"shard {story.shard}, position {position}"
            yield Finding(Promise.DEAD_LETTERS, where, f"a dead letter was published that is not kept: {published}")


_key = attrgetter("organization", "project")
_command_of = itemgetter("organization", "commandSource", "commandId")


def _forgotten_trouble(forgotten: Mapping[str, Any]) -> str | None:
    """Return what is wrong with what was kept of a command that was forgotten, whose result the log still has."""
    result = orjson.loads(forgotten["value"])["data"] if forgotten["topic"] == Topic.COMMAND_RESULTS else None
    if result is None or not is_of_claim(result) or digest_of(_command_of(result)) != forgotten["digest"]:
        return "the row there is not its result"
    if is_interim(result):
        return "the row there is not its last result"
    # A command in which a card number was sent tells no fingerprint.
    if result.get("fingerprint", forgotten["fingerprint"].hex()) != forgotten["fingerprint"].hex():
        return f"it is kept with the fingerprint {forgotten['fingerprint'].hex()}, its result has another"
    return None


def _payers_of(bindings: Sequence[Binding], project: Project | None, story: Story) -> Iterator[Finding]:
    subject = "/".join(_key(bindings[0]))
    yield from (Finding(Promise.PAYERS, subject, trouble) for trouble in _chain_troubles(bindings))
    if project is None:
        yield Finding(Promise.PAYERS, subject, "it has bindings, but the project is missing")
        return
    last = bindings[-1]
    if project.number != last.number:
        trouble = f"it counts {project.number} changes of payer, but its last binding is number {last.number}"
        yield Finding(Promise.PAYERS, subject, trouble)
    elif project != project.after(last):
        yield Finding(
            Promise.PAYERS,
            subject,
            f"{_in_words(project.account, project.payer_since)} according to the project, "
            f"{_in_words(last.account, last.from_instant)} according to its last binding",
        )
    if project.state == "Deleted" and project.account is not None:
        yield Finding(Promise.PAYERS, subject, f"the project is deleted, but {project.account} pays for it")
    told = story.projects.get(subject)
    if told is None:
        if story.is_whole:
            yield Finding(Promise.PAYERS, subject, "the log does not mention its payers")
        return
    if project.number != told.sequence:
        yield Finding(Promise.SEQUENCES, subject, f"its sequence is {project.number}, the log ends at {told.sequence}")
    if last.account != told.account:
        yield Finding(
            Promise.PAYERS, subject, f"{last.account or 'nobody'} pays, the log says {told.account or 'nobody'}"
        )
    elif _digest(bindings, told.first) != told.digest:
        yield Finding(Promise.PAYERS, subject, "its bindings differ from those in the log")


def _in_words(account: str | None, since: datetime | None) -> str:
    return "nobody has ever paid" if since is None else f"{account or 'nobody'} has paid since {format_instant(since)}"


def _digest(bindings: Sequence[Binding], first: int) -> bytes:
    digest = b""
    for binding in bindings:
        if binding.number >= first:
            binding_id = None if binding.account is None else binding.binding_id
            instant = format_instant(binding.from_instant)
            digest = extended(digest, binding.number, binding_id, binding.account, instant)
    return digest


def _chain_troubles(bindings: Sequence[Binding]) -> Iterator[str]:
    """Yield what is wrong between the bindings of one project, in order."""
    before: Binding | None = None
    for number, binding in enumerate(bindings, start=1):
        if binding.number != number:
            yield f"binding {number} is missing"
            return
        if before is not None and binding.from_instant <= before.from_instant:
            yield f"binding {number} begins at {format_instant(binding.from_instant)}, no later than the one before it"
        if binding.account == (before.account if before else None):
            yield f"binding {number} changes nothing: {binding.account or 'nobody'} was paying already"
        before = binding


async def _loaded(rows: AsyncIterator[R | Unloadable], unloadable: list[Unloadable]) -> AsyncIterator[R]:
    """Yield the records; add those that cannot be loaded to the list."""
    async for row in rows:
        if isinstance(row, Unloadable):
            unloadable.append(row)
        else:
            yield row


async def _by_project(bindings: AsyncIterator[Binding]) -> AsyncIterator[list[Binding]]:
    """Yield the bindings of each project, one project after another."""
    group: list[Binding] = []
    async for binding in bindings:
        if group and _key(binding) != _key(group[0]):
            yield group
            group = []
        group.append(binding)
    if group:
        yield group
