"""The phases of accounts, compared with what is known about them and with what the log says."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.archived import ArchivedShard, archive_of
from audit.findings import Finding, Promise
from audit.log_story import Story
from db import audit
from db.audit import Unloadable
from domain.phase import standing
from domain.state import Account, PaymentProfile
from schemas.events import Phase
from schemas.policy import OperatorPolicy

_TIMERS_MARGIN = timedelta(minutes=1)
"""How late an expiry may be handled before it counts as forgotten."""


async def account_findings(
    connection: AsyncConnection,
    organizations: Sequence[str],
    story: Story,
    archived: ArchivedShard,
    closed: Mapping[int, ArchivedShard],
    policy: OperatorPolicy,
    now: datetime,
) -> AsyncIterator[Finding]:
    known = set()
    async for account, profile, last_number, last_phase in audit.all_accounts(connection, organizations):
        if isinstance(account, Unloadable):
            known.add(account.place)
            yield Finding(Promise.STATE, account.place, account.trouble)
            continue
        subject = "/".join(account.key)
        known.add(subject)
        if not isinstance(profile, Unloadable):
            for trouble in _phase_troubles(account, profile, policy, now):
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
    async for row in audit.misplaced_phases(connection, organizations):
        told_at = row["position"]
        archive = archive_of(row, archived, closed)
        is_archived = row["is_missing"] and told_at is not None and told_at <= archive.border
        if (not is_archived and story.is_whole) or not row["is_missing"] or not archive.is_phase(row):
            subject = f"{row['organization']}/{row['account']}"
            trouble = f"phase {row['number']} was not told at position {row['position']}, as is noted"
            yield Finding(Promise.PHASES, subject, trouble)


def _phase_troubles(
    account: Account, profile: PaymentProfile | None, policy: OperatorPolicy, now: datetime
) -> Iterator[str]:
    if account.phase is Phase.ARCHIVED:
        return
    found = (account.phase, account.conditions[-1].reason if account.conditions else None)
    # The operator's policy may have changed since: it is applied when the account or its profile changes.
    policies = [policy]
    if profile:
        policies += [OperatorPolicy(payment_profile_kinds=frozenset(kinds)) for kinds in ([profile.kind], [])]
    # The timers may not have handled an expiry yet.
    instants = (now, now - _TIMERS_MARGIN) if profile and profile.due_at else (now,)
    following = [standing(account, profile, policy, now) for policy in policies for now in instants]
    if found not in [(one.phase, one.reason) for one in following]:
        right = f"{following[0].phase} ({following[0].reason})"
        yield f"it is {found[0]} ({found[1]}), but from what is known it should be {right}"
