"""Checks the payers of projects against their bindings and against the log."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from operator import attrgetter
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.findings import Finding, Promise
from audit.log_story import Story, extended
from db import audit
from db.audit import Unloadable
from domain.state import Binding, Key, Project
from schemas.instants import format_instant

R = TypeVar("R")


async def payer_findings(
    connection: AsyncConnection, organizations: Sequence[str], story: Story
) -> AsyncIterator[Finding]:
    """Yield the projects whose payers contradict each other or the log."""
    unloadable: list[Unloadable] = []
    projects = {
        project.key: project async for project in _loaded(audit.all_projects(connection, organizations), unloadable)
    }
    bound = set()
    ends: dict[Key, datetime] = {}
    async for bindings in _by_project(_loaded(audit.all_bindings(connection, organizations), unloadable)):
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
    for finding in _former_payers(ends, await audit.all_former_payers(connection, organizations)):
        yield finding


def _former_payers(ends: Mapping[Key, datetime], kept: Mapping[Key, datetime]) -> Iterator[Finding]:
    """Compare when each account last stopped paying for a project with the instant stored for it."""
    for key in sorted(ends.keys() | kept.keys()):
        if kept.get(key) != ends.get(key):
            found, said = (instant and format_instant(instant) for instant in (ends.get(key), kept.get(key)))
            trouble = f"its last binding to end did so at {found}, the table says {said}"
            yield Finding(Promise.PAYERS, "/".join(key), trouble)


_key = attrgetter("organization", "project")


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
    """Group bindings by project."""
    group: list[Binding] = []
    async for binding in bindings:
        if group and _key(binding) != _key(group[0]):
            yield group
            group = []
        group.append(binding)
    if group:
        yield group
