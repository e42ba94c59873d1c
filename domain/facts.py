"""The facts that others report (docs/contract.md section 3): versions, and what follows for accounts and payers."""

from dataclasses import dataclass, replace

from domain.bindings import release
from domain.book import Book
from domain.decision import Context, Policy, after
from domain.notices import payer_missing, turn_notices
from domain.phase import settle
from domain.state import Change, PaymentProfile, Project, RetiredUid
from schemas.events import Phase
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.outgoing import Outgoing
from schemas.records import DeadLetterReason, Unanswerable


@dataclass(frozen=True, slots=True)
class Learned:
    """What a fact changes. A stale fact is None instead."""

    changes: tuple[Change, ...]
    events: tuple[Outgoing, ...]


def project_changed(fact: ProjectChanged, book: Book, context: Context) -> Learned | None:
    """Take in what is reported of a project. None when stale; raises Unanswerable (VersionConflict)."""
    known = book.project(fact.organization, fact.project)
    if known is None:
        return _reported(_new_project(fact), None, book, context)
    if fact.uid is not None and book.is_retired(fact.organization, fact.project, fact.uid):
        return None
    if fact.uid is not None and known.uid is not None and fact.uid != known.uid:
        return _succeeds(fact, known, known.uid, book, context)
    if _is_stale(fact.version, known.version, _content(fact, known) == _content(known, known)):
        return None
    reported = replace(
        known,
        uid=fact.uid or known.uid,
        state=fact.state,
        version=fact.version,
        display_name=fact.display_name,
    )
    return _reported(reported, known, book, context)


def payment_profile_changed(
    fact: PaymentProfileChanged, book: Book, context: Context, policy: Policy
) -> Learned | None:
    """Take in what payments reports of a profile. None when stale; raises Unanswerable (VersionConflict)."""
    known = book.payment_profile(fact.organization, fact.payment_profile)
    reported = PaymentProfile(**{name: getattr(fact, name) for name in PaymentProfileChanged.model_fields})
    if known is not None:
        if known.state == "Removed":
            return None
        if _is_stale(reported.version, known.version, reported == known):
            return None
    changes: list[Change] = [reported]
    events: list[Outgoing] = []
    for account in book.accounts_attached_to(reported):
        if account.phase is Phase.ARCHIVED:
            continue
        transition = settle(account, account, reported, policy, context)
        if transition is not None:
            changes += transition.changes
            events += transition.events
            events += turn_notices(transition.turn, book.bound_projects(account), context)
    return Learned(tuple(changes), tuple(events))


def _is_stale(version: int, known: int, same_content: bool) -> bool:
    if version == known and not same_content:
        raise Unanswerable(
            DeadLetterReason.VERSION_CONFLICT, f"version {version} was reported with other content before"
        )
    return version <= known


def _content(said: ProjectChanged | Project, known: Project) -> tuple[str | None, ...]:
    # An absent uid means the present one.
    return (said.uid or known.uid, said.state, said.display_name)


def _new_project(fact: ProjectChanged) -> Project:
    return Project(
        organization=fact.organization,
        project=fact.project,
        state=fact.state,
        version=fact.version,
        uid=fact.uid,
        display_name=fact.display_name,
    )


def _succeeds(fact: ProjectChanged, known: Project, uid: str, book: Book, context: Context) -> Learned | None:
    """Another project under the old name: the one before is deleted by it, and its uid never comes back."""
    if fact.state == "Deleted" and known.state != "Deleted":
        return None
    retired = RetiredUid(organization=known.organization, project=known.project, uid=uid)
    gone = _reported(replace(known, state="Deleted"), known, book, context)
    predecessor = next(change for change in reversed(gone.changes) if isinstance(change, Project))
    successor = replace(
        predecessor, state=fact.state, version=fact.version, uid=fact.uid, display_name=fact.display_name
    )
    born = _reported(successor, predecessor, book, context, is_unbound=True)
    return Learned((*gone.changes, retired, *born.changes), (*gone.events, *born.events))


def _reported(
    project: Project, known: Project | None, book: Book, context: Context, *, is_unbound: bool = False
) -> Learned:
    """Keep the report; a deletion releases the payer, and a project that became Active without one is told so."""
    active = None if is_unbound else book.active_binding(project.organization, project.project)
    if project.state == "Deleted" and active is not None:
        released = release(project, active, context, "ProjectDeleted")
        return Learned(released.changes, (released.event,))
    becomes_active = project.state == "Active" and (known is None or known.state != "Active")
    if becomes_active and active is None:
        instant = after(project.last_instant, context.now)
        told = replace(project, last_instant=instant)
        return Learned((told,), (payer_missing(told, instant, context),))
    return Learned((project,), ())
