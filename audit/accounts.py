"""Checks accounts' phases against the rest of their state and against the log."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.archived import ArchivedShard
from audit.findings import Finding, Promise
from audit.log_story import Standing, Story
from db import audit
from db.audit import Unloadable
from domain.phase import standing
from domain.state import Account, PaymentProfile
from schemas.events import Phase
from schemas.policy import OperatorPolicy

_TIMERS_MARGIN = timedelta(minutes=1)
"""How late an expiry may be handled before it counts as missed."""


async def account_findings(
    connection: AsyncConnection,
    organizations: Sequence[str],
    story: Story,
    archived: ArchivedShard,
    policy: OperatorPolicy,
    now: datetime,
) -> AsyncIterator[Finding]:
    """Yield the accounts whose phase is not the one that follows from their state, or not the one in the log."""
    known = set()
    async for account, profile, last_number, last_phase in audit.all_accounts(connection, organizations):
        if isinstance(account, Unloadable):
            known.add(account.place)
            yield Finding(Promise.STATE, account.place, account.trouble)
            continue
        subject = "/".join(account.key)
        known.add(subject)
        if not isinstance(profile, Unloadable) and (trouble := _phase_trouble(account, profile, policy, now)):
            yield Finding(Promise.PHASES, subject, trouble)
        if (last_number, last_phase) != (account.phases, account.phase):
            trouble = (
                f"it entered {account.phases} phases and is {account.phase}, but its history ends with number "
                f"{last_number}, {last_phase}"
            )
            yield Finding(Promise.PHASES, subject, trouble)
        told = story.accounts.get(subject)
        kept = Standing(account.sequence, account.phase, account.version)
        if told is None and story.is_whole:
            yield Finding(Promise.PHASES, subject, "the log does not mention this account")
        elif told not in (None, kept):
            yield Finding(Promise.PHASES, subject, f"it is at {kept}; the log says {told}")
    for subject in story.accounts.keys() - known:
        yield Finding(Promise.PHASES, subject, "the log mentions this account, but it is missing")
    async for row in audit.misplaced_phases(connection, organizations):
        if not _is_in_archive(row, story, archived.of(row["shard"])):
            trouble = f"phase {row['number']} was not reported at position {row['position']}, as the table says"
            yield Finding(Promise.PHASES, f"{row['organization']}/{row['account']}", trouble)


def _is_in_archive(row: Mapping[str, Any], story: Story, archived: ArchivedShard) -> bool:
    """Return whether the event of a phase may be in the archive: always true for an archive that was not read."""
    if not row["is_missing"]:
        return False
    is_archived = row["position"] is not None and row["position"] <= archived.border
    return (is_archived or not story.is_whole) and archived.is_phase(row)


def _phase_trouble(
    account: Account, profile: PaymentProfile | None, policy: OperatorPolicy, now: datetime
) -> str | None:
    """Describe the phase that an account should be in, if it is in another."""
    if account.phase is Phase.ARCHIVED:
        return None
    found = (account.phase, account.conditions[-1].reason if account.conditions else None)
    # The operator's policy may have changed since: it is only applied when the account or its profile changes.
    policies = [policy]
    if profile:
        policies += [OperatorPolicy(payment_profile_kinds=frozenset(kinds)) for kinds in ([profile.kind], [])]
    # The timers may not have handled a recent expiry yet.
    instants = (now, now - _TIMERS_MARGIN) if profile and profile.due_at else (now,)
    following = [standing(account, profile, policy, now) for policy in policies for now in instants]
    if found in [(one.phase, one.reason) for one in following]:
        return None
    right = f"{following[0].phase} ({following[0].reason})"
    return f"it is {found[0]} ({found[1]}), but from what is known it should be {right}"
