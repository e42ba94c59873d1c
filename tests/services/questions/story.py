"""What is asked about in these tests: two organizations, told so that every answer can be written down beforehand.

Day `n` is the instant `day(n)` of March 2026. In `acme`, who pays, from which day on:

    web     1 main   2 spare   3 main                       (Active)
    api     1 main             4 nobody                     (Deleted; its first binding is older than derived ids)
    again   1 main   2 nobody  3 spare                      (Active: deleted, and reported again under another uid)
    off              2 spare                                (Inactive)
    late                                           7 main   (Active)

Nobody has ever paid for idle, p-1, p.1, p1 (Active), asleep (Inactive) and never (Deleted). `globex` has a project web
too, which its own account main pays for since day 1. All is closed up to day 5.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.load import load
from db.log import append, chain_rows
from db.memory import Memory
from db.placing import shard_of
from db.questions.snapshots import Snapshot, snapshot_of
from db.shards import Head
from db.store import store, store_claims
from domain.messages import Claim
from domain.needs import Needs
from domain.state import (
    Account,
    Balance,
    Binding,
    Change,
    Organization,
    Origin,
    PaymentProfile,
    PendingBinding,
    PhaseEntered,
    Project,
)
from schemas.commands import BindProject
from schemas.events import (
    AccountChanged,
    AccountPhaseChanged,
    Cause,
    Condition,
    Event,
    Hold,
    NoticeKind,
    Phase,
    PhaseReason,
    ProjectBillingNotice,
)
from schemas.instants import format_instant
from schemas.outgoing import Outgoing
from schemas.results import CommandCompleted, Outcome
from schemas.terms import PaymentTerms
from tests.services.db.storing import KEYS

SHARDS = 48
SHARD = shard_of("acme", SHARDS)
TICK = timedelta(microseconds=1)
LEGACY_ID = "5e1c6d1e-0000-4000-8000-000000000001"


def day(number: int) -> datetime:
    """Return an instant of March 2026, to the microsecond."""
    return datetime(2026, 3, number, 12, 30, 15, number, tzinfo=UTC)


def text_of(number: int) -> str:
    """Return that instant as text."""
    return format_instant(day(number))


def interval(
    project: str, account: str, number: int, begin: int, end: int | None = None, organization: str = "acme", **more: Any
) -> dict[str, Any]:
    """Return the interval of a binding, between days; `more` are further members."""
    return {
        "organization": organization,
        "project": project,
        "account": account,
        "bindingId": f"{organization}/{project}/{number}",
        "currencyCode": {"main": "EUR", "spare": "USD"}[account],
        "establishedAt": text_of(begin),
        "endedAt": None if end is None else text_of(end),
    } | more


@asynccontextmanager
async def asking(engine: AsyncEngine, organization: str = "acme") -> AsyncIterator[tuple[AsyncConnection, Snapshot]]:
    """Yield a connection as questions are asked on, of a role that may only read, and an organization's snapshot."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        await connection.execute(text("SET LOCAL ROLE pg_read_all_data"))
        yield connection, await snapshot_of(connection, shard_of(organization, SHARDS))


async def tell(engine: AsyncEngine) -> None:
    """Store the story in an empty database."""
    phases = [("acme/main", event) for event in PHASES]
    events: list[tuple[str, Event]] = [
        *phases,
        ("acme/main", _CHANGED),
        ("acme/web", _NOTICE),
        *map(_result, range(len(RESULTS))),
    ]
    outgoing = [
        Outgoing(boundary="acme", subject=key, key=key.encode(), event=event, time=said_at(position))
        for position, (key, event) in enumerate(events, 1)
    ]
    rows, heads = chain_rows(
        {SHARD: Head(0, b"", day(1), day(1))}, [(SHARD, one) for one in outgoing], "/whopays/tests", day(5)
    )
    claims = [
        (Claim("acme", event.command_source, event.command_id, b"", 0, is_new=True), event, *row[:2])
        for (_, event), row in zip(events, rows, strict=True)
        if isinstance(event, CommandCompleted) and not event.repeated
    ]
    head = {"closed": day(5), "shard": SHARD, "position": len(rows), "hash": heads[SHARD].hash}
    async with engine.begin() as connection:
        book = (await load(connection, Needs(), KEYS, Memory(0, len), now=day(1))).book
        book.apply(_story())
        await store(connection, book, KEYS, rows)
        await store_claims(connection, claims)
        await append(connection, rows)
        await connection.execute(text("UPDATE shards SET last_instant = :closed, written_at = :closed"), head)
        moved = "UPDATE shards SET position = :position, hash = :hash WHERE shard = :shard"
        await connection.execute(text(moved), head)
        await connection.execute(text("INSERT INTO published VALUES (:shard, :position)"), head)


def said_at(position: int) -> datetime:
    """Return the instant of the event at a position of the log."""
    return day(4) + position * TICK


def _phase(number: int, previous: Phase | None, phase: Phase, reason: PhaseReason, cause: Cause) -> AccountPhaseChanged:
    return AccountPhaseChanged(
        organization="acme", account="main", previous_phase=previous, phase=phase, reason=reason, message=f"m{number}",
        holds=(), cause=cause,
    )  # fmt: skip


PHASES = (
    _phase(1, None, Phase.PROVISIONING, PhaseReason.CREATED, Cause(command_id="create", by="alice")),
    _phase(2, Phase.PROVISIONING, Phase.READY, PhaseReason.REQUIREMENTS_MET, Cause(fact_id="card-1", by="/payments")),
    _phase(3, Phase.READY, Phase.SUSPENDED, PhaseReason.PAYMENT_FAILURE, Cause(command_id="hold", by="bob")),
)
"""Told at positions 1 to 3; at 4 an `AccountChanged`, at 5 a notice, and from 6 on results."""
RESULTS = (
    ("c1", "/shop", Outcome.WAITING, "web", "main"),
    ("c2", "/shop", Outcome.REJECTED, "web", "spare"),
    ("c1", "/other", Outcome.REJECTED, "api", "main"),
    ("c3", "/shop", Outcome.APPLIED, None, "main"),
    ("c3", "/shop", Outcome.APPLIED, None, "main"),
    ("c4", "/shop", Outcome.UNCHANGED, "web", "main"),
    ("c5", "/shop", Outcome.APPLIED, None, None),
    ("c6", "/shop", Outcome.APPLIED, "web", "spare"),
)
"""Results by position, from 6 on: id, source, outcome, project and account; the second of c3 was asked for again."""
_REPEATED = 4


def _result(place: int) -> tuple[str, Event]:
    command_id, source, outcome, project, account = RESULTS[place]
    completed = CommandCompleted(
        organization="acme", command_id=command_id, command_source=source, command_type="t", dry_run=False,
        repeated=place == _REPEATED, outcome=outcome, violations=(), violation_count=0, project=project,
        account=account, events=(), event_count=0,
    )  # fmt: skip
    return "acme", completed


def _story() -> list[Change]:
    spare = replace(
        MAIN, account="spare", phase=Phase.READY, conditions=(_condition("Ready", PhaseReason.REQUIREMENTS_MET),),
        currency_code="USD", holds=(), balance=None, payment_profile="debit", display_name=None,
    )  # fmt: skip
    closed = replace(spare, account="closed", phase=Phase.ARCHIVED)
    new = Account(organization="acme", account="a-new", version=1, phases=1, sequence=2)
    names = [replace(new, account=name) for name in ("a.new", "a0new")]
    profile = PaymentProfile(
        organization="acme", payment_profile="card", kind="CreditCard", state="Valid", version=4,
        expires_at=day(30), due_at=day(30), origin=Origin(caused_by="f", sender="/payments"),
    )  # fmt: skip
    told: list[Change] = [
        Organization(organization="acme", default_account="spare"),
        MAIN, spare, closed, new, *names, replace(MAIN, organization="globex"), profile,
        *_project("web", (1, "main"), (2, "spare"), (3, "main"), uid="u-1", display_name="The web"),
        *_project("api", (1, "main"), (4, None), state="Deleted", version=7, legacy_id=LEGACY_ID),
        *_project("again", (1, "main"), (2, None), (3, "spare"), version=9, uid="u-2"),
        *_project("off", (2, "spare"), state="Inactive"),
        *_project("late", (7, "main")),
        *(change for name in ("idle", "p1", "p.1", "p-1") for change in _project(name)),
        *_project("asleep", state="Inactive"),
        *_project("never", state="Deleted"),
        *_project("web", (1, "main"), organization="globex"),
        *(
            PhaseEntered(
                organization="acme", account="main", number=number, previous_phase=event.previous_phase,
                phase=event.phase, reason=event.reason, message=event.message, by=event.cause.by, caused_by="c",
                entered_at=said_at(number),
            )
            for number, event in enumerate(PHASES, 1)
        ),
        _pending("idle", 1, "Scheduled", day(20), "spare"),
        _pending("idle", 2, "Waiting", day(8), "main"),
        _pending("idle", 3, "Waiting", day(6), "closed"),
    ]  # fmt: skip
    return told


def _condition(type_: Any, reason: PhaseReason) -> Condition:
    is_met = reason is PhaseReason.REQUIREMENTS_MET
    return Condition(
        type=type_,
        status="True" if is_met else "False",
        reason=reason,
        message="met" if is_met else "unpaid",
        last_transition_time=day(4),
    )


MAIN = Account(
    organization="acme",
    account="main",
    version=3,
    phases=3,
    sequence=5,
    phase=Phase.SUSPENDED,
    conditions=(
        _condition("ConfigurationValid", PhaseReason.REQUIREMENTS_MET),
        _condition("PaymentProfileValid", PhaseReason.REQUIREMENTS_MET),
        _condition("NoHolds", PhaseReason.PAYMENT_FAILURE),
        _condition("Ready", PhaseReason.PAYMENT_FAILURE),
    ),
    display_name="Main",
    currency_code="EUR",
    payment_terms=PaymentTerms(),
    payment_profile="card",
    holds=(Hold(reason="PaymentFailure", message="unpaid", by="alice", placed_at=day(4)),),
    activated_at=day(1) - TICK,
    balance=Balance(outstanding=Decimal("12.50"), currency_code="EUR", as_of=day(3)),
)
_CHANGED = AccountChanged.of(MAIN, cause=Cause(command_id="hold", by="bob"))
_NOTICE = ProjectBillingNotice(
    organization="acme", project="web", account="main", kind=NoticeKind.ACCOUNT_SUSPENDED, reason="PaymentFailure",
    message="unpaid",
)  # fmt: skip


def _project(
    name: str,
    *payers: tuple[int, str | None],
    organization: str = "acme",
    legacy_id: str | None = None,
    state: Any = "Active",
    version: int = 1,
    **reported: Any,
) -> list[Change]:
    project = Project(organization=organization, project=name, state=state, version=version, **reported)
    bindings = [
        Binding(
            organization=organization, project=name, number=number, account=account, from_instant=day(begin),
            legacy_id=legacy_id if account else None,
        )
        for number, (begin, account) in enumerate(payers, 1)
    ]  # fmt: skip
    for binding in bindings:
        project = project.after(binding)
    return [project, *bindings]


def _pending(project: str, number: int, kind: Any, due_at: datetime, account: str) -> PendingBinding:
    return PendingBinding(
        organization="acme", project=project, number=number, kind=kind, due_at=due_at,
        command=BindProject(organization="acme", project=project, account=account), source="/shop", type="t",
        origin=Origin(caused_by=f"c{number}", sender="alice"),
    )  # fmt: skip
