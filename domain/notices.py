"""What projects are told (docs/contract.md sections 3 and 4)."""

from collections.abc import Iterable
from datetime import datetime

from domain.decision import Context
from domain.phase import Turn
from domain.state import Project
from schemas.events import NoticeKind, ProjectBillingNotice
from schemas.outgoing import Outgoing


def turn_notices(turn: Turn | None, projects: Iterable[str], context: Context) -> tuple[Outgoing, ...]:
    """Tell each bound project, once, that its payer was suspended, stopped being Ready, or became Ready."""
    if turn is None:
        return ()
    organization = turn.account.organization
    return tuple(
        context.outgoing(
            ProjectBillingNotice(
                organization=organization,
                project=project,
                account=turn.account.account,
                kind=turn.kind,
                reason=turn.reason,
                message=turn.message,
            ),
            (organization, project),
            turn.instant,
        )
        for project in projects
    )


def payer_missing(project: Project, instant: datetime, context: Context) -> Outgoing:
    """Tell an active project that nobody pays for it."""
    notice = ProjectBillingNotice(
        organization=project.organization,
        project=project.project,
        account=None,
        kind=NoticeKind.PAYER_MISSING,
        reason="ProjectUnbound",
        message="the project is active and no account pays for it: bind it to one",
    )
    return context.outgoing(notice, project.key, instant)
