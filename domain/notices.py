"""Notices to projects (docs/contract.md sections 3 and 4): sent at once, or fanned out if there are many."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from domain.book import Book
from domain.decision import Context, outgoing_of
from domain.phase import Turn
from domain.state import Change, Done, FanOut, Project
from schemas.events import PROJECT_UNBOUND, NoticeKind, ProjectBillingNotice
from schemas.immutable import dataclass
from schemas.outgoing import Outgoing
from schemas.results import LISTED

AT_ONCE = 500
"""How many projects are notified in the transaction that changed the phase; if more, in later ones, page by page."""

AT_ONCE_IN_ALL = 10_000
"""How many projects are notified in one transaction in total, to bound its memory."""


@dataclass(frozen=True, slots=True)
class Told:
    """The notices sent now as `events`; `deferred` are the first of the `deferred_count` that follow later."""

    changes: tuple[Change, ...] = ()
    events: tuple[Outgoing, ...] = ()
    deferred: tuple[Outgoing, ...] = ()
    deferred_count: int = 0


def tell(turn: Turn | None, book: Book, context: Context, *, before: int = 0) -> Told:
    """Notify each currently bound project, once, that its payer was suspended, stopped being Ready, or became Ready.

    `before` counts the notices that the same decision has already sent.
    """
    if turn is None:
        return Told()
    account = turn.account
    bound = book.bound_projects(account)
    unfinished = book.fan_outs(account.key)
    fan_out = FanOut(
        organization=account.organization,
        account=account.account,
        number=unfinished[-1].number + 1 if unfinished else 1,
        kind=turn.kind,
        reason=turn.reason,
        message=turn.message,
        instant=turn.instant,
        origin=context.origin,
    )
    # Behind an unfinished fan-out even a few are queued, so that no project is notified of the later turn first.
    # All names of a small account are loaded, unless earlier messages of the batch removed many others.
    in_all = book.told_at_once + before + bound.count
    is_small = len(bound.first) == bound.count <= AT_ONCE and in_all <= AT_ONCE_IN_ALL
    if is_small and not unfinished:
        return Told(events=_notices(fan_out, bound.first, context.clock.next()))
    first = _notices(fan_out, bound.lowest(LISTED), turn.instant)
    return Told((fan_out,), deferred=first, deferred_count=bound.count)


def tell_page(fan_out: FanOut, page: list[str], instant: datetime, *, is_last: bool) -> Told:
    """Notify the next page of projects by name, at an instant, and advance the fan-out or mark it done."""
    change: Change = Done(fan_out) if is_last else replace(fan_out, told=page[-1])
    return Told((change,), _notices(fan_out, page, instant))


def tell_before_leaving(project: Project | None, book: Book, instant: datetime) -> list[Outgoing]:
    """Send a project whose payer changes at an instant the notices that its payer's unfinished fan-outs still owe it.

    Otherwise it would miss them, being no longer bound, or get them out of order.
    """
    if project is None or project.account is None or project.payer_since is None:
        return []
    return [
        notice
        for fan_out in book.fan_outs((project.organization, project.account))
        if project.project > fan_out.told and project.payer_since <= fan_out.instant
        for notice in _notices(fan_out, [project.project], instant)
    ]


def payer_missing(project: Project, instant: datetime, context: Context) -> Outgoing:
    """Return the notice to an active project that nobody pays for it."""
    notice = ProjectBillingNotice(
        organization=project.organization,
        project=project.project,
        account=None,
        kind=NoticeKind.PAYER_MISSING,
        reason=PROJECT_UNBOUND,
        message="the project is active and no account pays for it: bind it to one",
    )
    return context.outgoing(notice, project.key, instant)


def _notices(fan_out: FanOut, projects: Iterable[str], instant: datetime) -> tuple[Outgoing, ...]:
    """Return the notices to projects, timed at an instant other than the turn's, since times rise in the log."""
    return tuple(
        outgoing_of(
            ProjectBillingNotice(
                organization=fan_out.organization,
                project=project,
                account=fan_out.account,
                kind=fan_out.kind,
                reason=fan_out.reason,
                message=fan_out.message,
            ),
            (fan_out.organization, project),
            instant,
            fan_out.origin,
        )
        for project in projects
    )
