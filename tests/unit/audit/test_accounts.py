"""What an audit finds between accounts, what is known about them, and what the log told of them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.accounts import _is_in_archive, _phase_trouble, account_findings
from audit.archived import ArchivedShard
from audit.log_story import Standing, Story
from db import audit
from db.archive.catalog import Part
from db.audit import Unloadable
from db.shard_ranges import ShardRange
from domain.state import Account, Origin, PaymentProfile
from schemas.events import Condition, Phase, PhaseReason
from schemas.policy import OperatorPolicy
from schemas.terms import PaymentTerms

_NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
_POLICY = OperatorPolicy()
_NARROW = OperatorPolicy(payment_profile_kinds=frozenset({"Invoice"}))


def _because(reason: PhaseReason) -> dict[str, Any]:
    reasons = (PhaseReason.CREATED, reason)
    said = [
        Condition(type="Ready", status="True", reason=one, message="", last_transition_time=_NOW) for one in reasons
    ]
    return {"conditions": tuple(said)}


_READY = Account(
    organization="acme", account="main", version=2, phases=3, sequence=5, phase=Phase.READY, currency_code="EUR",
    payment_terms=PaymentTerms(), payment_profile="card", **_because(PhaseReason.REQUIREMENTS_MET),
)  # fmt: skip
_NOT_ALLOWED = replace(_READY, phase=Phase.INCOMPLETE, **_because(PhaseReason.PAYMENT_PROFILE_NOT_ALLOWED))
_CARD = PaymentProfile(
    organization="acme", payment_profile="card", kind="CreditCard", state="Valid", version=1,
    origin=Origin(caused_by="f", sender="/payments"),
)  # fmt: skip


def _expired(seconds: float, *, is_due: bool = True) -> PaymentProfile:
    at = _NOW - timedelta(seconds=seconds)
    return replace(_CARD, expires_at=at, due_at=at if is_due else None)


_SUSPENDED_WITHOUT_HOLDS = (
    "it is Suspended (RequirementsMet), but from what is known it should be Incomplete (PaymentProfileNotAllowed)"
)
_EXPIRED = "it is Ready (RequirementsMet), but from what is known it should be Incomplete (PaymentProfileExpired)"


@pytest.mark.parametrize(
    ("account", "profile", "policy", "trouble"),
    (
        (_READY, _CARD, _POLICY, None),
        (replace(_READY, phase=Phase.ARCHIVED), None, _POLICY, None),
        # What the operator accepts has changed since.
        (_READY, _CARD, _NARROW, None),
        (_NOT_ALLOWED, _CARD, _POLICY, None),
        (_READY, _expired(50), _POLICY, None),
        (_READY, _expired(-50), _POLICY, None),
        (_READY, _expired(70), _POLICY, _EXPIRED),
        (_READY, _expired(50, is_due=False), _POLICY, _EXPIRED),
        (
            replace(_READY, conditions=()),
            None,
            _POLICY,
            "it is Ready (None), but from what is known it should be Incomplete (PaymentProfileNotFound)",
        ),
        (
            replace(_READY, phase=Phase.SUSPENDED),
            _CARD,
            _NARROW,
            _SUSPENDED_WITHOUT_HOLDS,
        ),
    ),
)
def test_the_phase_that_follows(
    account: Account, profile: PaymentProfile | None, policy: OperatorPolicy, trouble: str | None
) -> None:
    assert _phase_trouble(account, profile, policy, _NOW) == trouble


_PART = Part(0, 1, 7, _NOW, _NOW, b"", b"h", "file", 1, b"", 1, b"")


@pytest.mark.parametrize(
    ("is_missing", "position", "is_whole", "is_archived"),
    (
        (False, 7, False, False),
        (True, 7, True, True),
        (True, 8, True, False),
        (True, 8, False, True),
        (True, None, True, False),
        (True, None, False, True),
    ),
)
def test_a_phase_may_be_told_in_an_archive_that_is_not_looked_at(
    is_missing: bool, position: int | None, is_whole: bool, is_archived: bool
) -> None:
    row = {"is_missing": is_missing, "position": position, "organization": "acme", "account": "a", "entered_at": _NOW}
    assert _is_in_archive(row, _story(is_whole=is_whole), ArchivedShard([_PART], None, {}, {})) is is_archived


def _story(*, is_whole: bool = True, **told: Standing) -> Story:
    story = Story(0, ShardRange(0, 1))
    story.is_whole = is_whole
    story.accounts = {f"acme/{name}": standing for name, standing in told.items()}
    return story


_TOLD = Standing(5, "Ready", 2)
_Kept = tuple[Account | Unloadable, PaymentProfile | Unloadable | None, int, str | None]
_KEPT: _Kept = (_READY, _CARD, 3, "Ready")
_LOST = Unloadable("acme/lost", "its row cannot be loaded")
_SHOULD_BE_READY = "it is Suspended (RequirementsMet), but from what is known it should be Ready (RequirementsMet)"
_SUSPENDED = replace(_READY, phase=Phase.SUSPENDED)


@pytest.mark.parametrize(
    ("kept", "story", "misplaced", "found"),
    (
        ([_KEPT], _story(main=_TOLD), [], []),
        ([_KEPT], _story(is_whole=False), [], []),
        ([_KEPT], _story(), [], ["phases acme/main: the log does not mention this account"]),
        (
            [_KEPT],
            _story(is_whole=False, main=Standing(4, "Ready", 2)),
            [],
            ["phases acme/main: it is at sequence 5, Ready, version 2; the log says sequence 4, Ready, version 2"],
        ),
        ([], _story(main=_TOLD), [], ["phases acme/main: the log mentions this account, but it is missing"]),
        (
            [(_LOST, None, 0, None), (_READY, _CARD, 2, "Ready")],
            _story(lost=_TOLD, main=_TOLD),
            [],
            [
                "state acme/lost: its row cannot be loaded",
                "phases acme/main: it entered 3 phases and is Ready, but its history ends with number 2, Ready",
            ],
        ),
        (
            [(_SUSPENDED, _LOST, 3, "Suspended")],
            _story(main=replace(_TOLD, phase="Suspended")),
            [],
            [],
        ),
        (
            [(_SUSPENDED, _CARD, 3, "Suspended")],
            _story(main=replace(_TOLD, phase="Suspended")),
            [],
            [
                f"phases acme/main: {_SHOULD_BE_READY}",
            ],
        ),
        (
            [_KEPT],
            _story(main=_TOLD),
            [{"is_missing": False, "position": 4, "shard": 0, "number": 2, "organization": "acme", "account": "main"}],
            ["phases acme/main: phase 2 was not reported at position 4, as the table says"],
        ),
        (
            [_KEPT],
            _story(main=_TOLD),
            [
                {
                    "is_missing": True, "position": 4, "shard": 0, "organization": "acme", "account": "main",
                    "entered_at": _NOW,
                }
            ],
            [],
        ),
    ),
)  # fmt: skip
async def test_accounts_beside_the_log(
    monkeypatch: pytest.MonkeyPatch,
    kept: Sequence[_Kept],
    story: Story,
    misplaced: Sequence[Mapping[str, Any]],
    found: list[str],
) -> None:
    async def accounts(_: Any, names: Sequence[str]) -> AsyncIterator[_Kept]:
        assert names == ["acme"]
        for one in kept:
            yield one

    async def phases(_: Any, names: Sequence[str]) -> AsyncIterator[Mapping[str, Any]]:
        assert names == ["acme"]
        for one in misplaced:
            yield one

    monkeypatch.setattr(audit, "all_accounts", accounts)
    monkeypatch.setattr(audit, "misplaced_phases", phases)
    archived = ArchivedShard([_PART], None, {}, {})
    nobody = cast("AsyncConnection", None)
    findings = account_findings(nobody, ["acme"], story, archived, _POLICY, _NOW)
    assert [f"{one.promise} {one}" async for one in findings] == found
