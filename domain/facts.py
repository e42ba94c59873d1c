"""Facts reported by other systems (docs/contract.md section 3): versions, and the effects on accounts and payers."""

from dataclasses import replace

from domain.bindings import release
from domain.book import Book
from domain.decision import Context
from domain.notices import tell
from domain.phase import reassess
from domain.state import Change, PaymentProfile, Project, RetiredUid
from schemas.events import Phase
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.immutable import dataclass
from schemas.outgoing import Outgoing
from schemas.records import DeadLetterReason, Unanswerable


@dataclass(frozen=True, slots=True)
class Learned:
    """What a fact changes. `newly_active` is a project that became Active without a payer.

    `gone` is True if a project was deleted, or replaced by another of the same name.
    """

    changes: tuple[Change, ...]
    events: tuple[Outgoing, ...] = ()
    newly_active: Project | None = None
    gone: bool = False


def project_changed(fact: ProjectChanged, book: Book, context: Context) -> Learned | None:
    """Apply a report about a project. Return None if stale; raise Unanswerable (VersionConflict)."""
    known = book.project(fact.organization, fact.project)
    if known is None:
        return _reported(_new_project(fact), None, context)
    if fact.uid is not None and book.is_retired(fact.organization, fact.project, fact.uid):
        return None
    if fact.uid is not None and known.uid is not None and fact.uid != known.uid:
        return _succeeds(fact, known, known.uid, context)
    if _is_stale(fact.version, known.version, is_same=_content(fact, known) == _content(known, known)):
        return None
    reported = replace(
        known,
        uid=fact.uid or known.uid,
        state=fact.state,
        version=fact.version,
        display_name=fact.display_name,
    )
    return _reported(reported, known, context)


def payment_profile_changed(fact: PaymentProfileChanged, book: Book, context: Context) -> Learned | None:
    """Apply a report about a payment profile. Return None if stale; raise Unanswerable (VersionConflict)."""
    known = book.payment_profile(fact.organization, fact.payment_profile)
    expires = fact.expires_at is not None and fact.expires_at > context.now and fact.state == "Valid"
    reported = PaymentProfile(
        **{name: getattr(fact, name) for name in PaymentProfileChanged.model_fields},
        due_at=fact.expires_at if expires else None,
        origin=context.origin,
    )
    if known is not None:
        same = replace(reported, due_at=known.due_at, origin=known.origin) == known
        if known.state == "Removed" or _is_stale(reported.version, known.version, is_same=same):
            return None
    return _followed(reported, book, context)


def payment_profile_expired(profile: PaymentProfile, book: Book, context: Context) -> Learned:
    """Apply the expiry of a valid profile."""
    return _followed(replace(profile, due_at=None), book, context)


def _followed(profile: PaymentProfile, book: Book, context: Context) -> Learned:
    """Store a profile and reassess the accounts that it is attached to."""
    changes: list[Change] = [profile]
    events: list[Outgoing] = []
    notices = 0
    for account in book.accounts_attached_to(profile):
        if account.phase is Phase.ARCHIVED:
            continue
        transition = reassess(account, account, profile, context)
        if transition is not None:
            told = tell(transition.turn, book, context, before=notices)
            notices += len(told.events)
            changes += [*transition.changes, *told.changes]
            events += [*transition.events, *told.events]
    return Learned(tuple(changes), tuple(events))


def is_known_by_place(fact: ProjectChanged, book: Book, *, is_stale: bool) -> bool:
    """Return whether this report, if redelivered after another `uid` took over the name, could be misread.

    Call it before the report is applied. Such a record is remembered by its place; all others are recognised by
    their version and `uid`.
    """
    known = book.project(fact.organization, fact.project)
    if known is None or fact.uid == known.uid:
        return False
    if fact.uid is None:
        return True
    return is_stale and not book.is_retired(fact.organization, fact.project, fact.uid)


def _is_stale(version: int, known: int, *, is_same: bool) -> bool:
    if version == known and not is_same:
        raise Unanswerable(
            DeadLetterReason.VERSION_CONFLICT, f"version {version} was reported with other content before"
        )
    return version <= known


def _content(report: ProjectChanged | Project, known: Project) -> tuple[str | None, ...]:
    # An absent uid means the current one.
    return (report.uid or known.uid, report.state, report.display_name)


def _new_project(fact: ProjectChanged) -> Project:
    return Project(
        organization=fact.organization,
        project=fact.project,
        state=fact.state,
        version=fact.version,
        uid=fact.uid,
        display_name=fact.display_name,
    )


def _succeeds(fact: ProjectChanged, known: Project, uid: str, context: Context) -> Learned | None:
    """Replace a project by another of the same name: the old one counts as deleted, and its uid never returns."""
    if fact.state == "Deleted" and known.state != "Deleted":
        return None
    retired = RetiredUid(organization=known.organization, project=known.project, uid=uid)
    ended = _reported(replace(known, state="Deleted"), known, context)
    predecessor = next(change for change in reversed(ended.changes) if isinstance(change, Project))
    successor = replace(
        predecessor, state=fact.state, version=fact.version, uid=fact.uid, display_name=fact.display_name
    )
    return Learned(
        (*ended.changes, retired, successor),
        ended.events,
        newly_active=successor if successor.state == "Active" else None,
        gone=True,
    )


def _reported(project: Project, known: Project | None, context: Context) -> Learned:
    """Store the report; a deletion releases the payer."""
    if project.state == "Deleted":
        if project.account is None:
            return Learned((project,), gone=True)
        released = release(project, context, "ProjectDeleted")
        return Learned(released.changes, (released.event,), gone=True)
    becomes_active = project.state == "Active" and (known is None or known.state != "Active")
    return Learned((project,), newly_active=project if becomes_active and project.account is None else None)
