"""What the commands show, drawn at several widths; `python -m tests.unit.cli.drawing` draws the kept pictures again."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console, RenderableType

from audit.findings import Finding, Promise
from cli.asking.accounts import account_view
from cli.asking.audited import audit_listing
from cli.asking.listed import intervals_listing, projects_listing, unbound_listing
from cli.asking.listed_accounts import accounts_listing
from cli.asking.project import project_card
from cli.asking.timeline import Timeline
from cli.operating.dead_letters import card_of, listing_of
from cli.operating.scraping import AtWork, Batches
from cli.operating.standing import Section, Standing, Verdict
from cli.operating.top_screen import drawn_view
from cli.operating.topics import differences_view
from cli.operating.verify import finding_line
from cli.operating.waiting import Reader, Waiting
from cli.operating.watched import View
from cli.sending.answers import result_card
from cli.terminal.describing import event_line
from cli.terminal.screen import UNLIMITED, put
from db.at_work import OpenFanOut, Slot
from db.dead_letter_actions import Action
from db.dead_letters import KeptDeadLetter
from db.questions.intervals import TimelineEntry
from db.replays import KeptReplay
from schemas.records import DeadLetterReason, Record
from schemas.replays import ReplayState, Selection
from schemas.topics import Topic
from workers.runtime.metric import Step
from workers.topics.plan import Difference

WIDTHS = {"60": 60, "80": 80, "100": 100, "140": 140, "piped": UNLIMITED}
PICTURES = Path(__file__).with_name("pictures")

NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
_LONG = "research-and-development-of-the-third-floor.eu-central"
"""Longer than anything that a narrow terminal has space for beside something else."""


def _entry(number: int, account: str, begins: float, ends: float | None) -> TimelineEntry:
    end = None if ends is None else NOON + timedelta(minutes=ends)
    return TimelineEntry(number, f"web.{number}", account, NOON + timedelta(minutes=begins), end)


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, str]:
    return {
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2027-01-31T12:00:00.000000Z",
    }  # fmt: skip


ACCOUNT: dict[str, Any] = {
    "organization": "acme", "account": _LONG, "displayName": "Research and development", "phase": "Suspended",
    "conditions": [
        _condition("ConfigurationValid", "True", "RequirementsMet", "currency and payment terms are set"),
        _condition("PaymentProfileValid", "False", "PaymentProfileNotAllowed", "DirectDebit is not allowed in Germany"),
        _condition("NoHolds", "False", "ComplianceViolation", "a hold is active"),
        _condition("Ready", "False", "ComplianceViolation", "a hold is active"),
    ],
    "holds": [
        {
            "reason": "ComplianceViolation", "message": "the sanctions list names the owner of this account",
            "by": "compliance-officer@example.com", "placedAt": "2027-01-31T12:00:00.000000Z",
            "reactivation": {"by": "ada", "resolution": "it is somebody else of the same name"},
        }
    ],
    "currencyCode": "EUR", "paymentTerms": {"netDays": 1, "invoiceFrequency": "Monthly"},
    "preferences": {"invoiceLanguage": "de-CH", "taxRegistrations": [{"country": "CH", "number": "CHE107787577"}]},
    "paymentProfile": "card-of-research", "activatedAt": "2027-01-31T12:00:00.000000Z", "version": 12,
    "balance": {"outstanding": "12.5", "currencyCode": "EUR", "asOf": "2027-01-31T12:00:00.000000Z"},
    "closure": {"by": "ada", "requestedAt": "2027-01-31T12:00:00.000000Z", "reason": "merged with another one"},
    "boundProjects": 1,
    "profile": {
        "paymentProfile": "card-of-research", "kind": "CreditCard", "state": "Valid", "version": 3,
        "expiresAt": "2028-01-01T00:00:00.000000Z",
    },
    "closureBlockers": [
        {"reason": "ProjectsBound", "field": "/account", "retryable": True, "message": "it pays for 1 project: genome"},
    ],
    "history": [
        {
            "from": None, "to": "Provisioning", "reason": "Created", "by": "ada", "causedBy": "c1",
            "at": "2027-01-31T12:00:00.000000Z",
        },
        {
            "from": "Provisioning", "to": "Suspended", "reason": "ComplianceViolation",
            "by": "compliance-officer@example.com", "causedBy": "6f2b7a52-0ad0-4e07-a2d1-9be8d47a4f3f",
            "at": "2027-01-31T12:00:00.000001Z",
        },
    ],
}  # fmt: skip

RESULT: dict[str, Any] = {
    "data": {
        "organization": "acme", "commandId": "6f2b7a52-0ad0-4e07-a2d1-9be8d47a4f3f", "commandSource": "/cli",
        "commandType": "io.milo.billing.BindProject.v1", "fingerprint": "0123456789abcdef", "dryRun": False,
        "outcome": "Rejected", "account": _LONG, "project": "genome",
        "violations": [
            {
                "reason": "AccountNotReady", "field": "/account", "retryable": True,
                "message": f"the account {_LONG} is Suspended: a hold is active",
            },
            {
                "reason": "PreconditionFailed", "field": "/expectedAccount", "retryable": True,
                "message": "the project is paid by main, not by lab",
            },
        ],
        "violationCount": 3, "events": [{"type": "io.milo.billing.AccountChanged.v1", "subject": f"acme/{_LONG}"}],
        "eventCount": 2,
    }
}  # fmt: skip

_STANDING = {"account": _LONG, "phase": "Suspended", "missing": [ACCOUNT["conditions"][1], ACCOUNT["conditions"][2]]}

EVENT: dict[str, Any] = {
    "id": "7-42", "time": "2027-01-31T12:00:00.000000Z", "sequence": "00000000000000000007",
    "type": "io.milo.billing.BindingChanged.v1", "subject": "acme/genome",
    "data": {"change": "Superseded", "previous": {"account": "main"}, "current": {"account": _LONG}},
}  # fmt: skip

KEPT = KeptDeadLetter(
    number=17,
    record=Record(
        "billing.projects", 3, 1042, NOON, b"acme", (("content-type", b"application/json"),), b'{"data": "\x1b[2J"}'
    ),
    reason=DeadLetterReason.INVALID_FACT,
    detail=f"/state: is required; /project: {_LONG} is known under another uid",
    recorded_at=NOON,
    organization="acme",
    size=17,
    sha256=None,
    event_id="31-4711",
    origin=9,
    is_kept=True,
    is_sealed=False,
    sealed=None,
    redriven_at=None,
    discarded_at=None,
    unconfirmed_id=None,
)
_LETTERS = [
    KEPT,
    replace(KEPT, number=12, unconfirmed_id=UUID(int=1), organization=_LONG),
    replace(KEPT, number=11, discarded_at=NOON, detail="the record has no value; nothing is deleted by it"),
    replace(KEPT, number=9, redriven_at=NOON, organization=None, reason=DeadLetterReason.UNSUPPORTED_VERSION),
]
_ACTIONS = [
    Action("Redriven", "ada@build-1.example.com", NOON, None, NOON, "billing.projects/3/1050", True, 23),
    Action("Redriven", "ada@build-1.example.com", NOON, None, NOON, "billing.projects/3/1051", True, None),
    Action("Redriven", "ada@build-1.example.com", NOON, None, NOON, "billing.projects/3/1052", False, None),
    Action("Redriven", "ada@build-1.example.com", NOON, None, None, None, False, None),
    Action("Discarded", "bob@build-1.example.com", NOON, "the project was sent by hand", None, None, False, None),
]

_DIFFERENCES = [
    Difference("billing.bindings", "cleanup.policy", "delete", "compact",
               "kafka-configs.sh --bootstrap-server kafka.example:9092 --alter --entity-type topics --entity-name "
               "billing.bindings --add-config cleanup.policy=compact"),
    Difference("billing.notices", "partitions", "missing", "12", "whopays topics create"),
]  # fmt: skip

_FINDING = Finding(Promise.SEQUENCES, "acme/genome", "the sequence goes from 3 to 5: number 4 is missing from the log")

_PROJECT: dict[str, Any] = {
    "organization": "acme", "project": "genome", "state": "Active", "version": 3, "displayName": "The genome",
    "payer": {
        "organization": "acme", "project": "genome", "account": _LONG, "bindingId": "acme/genome/3",
        "currencyCode": "EUR", "establishedAt": "2027-01-31T12:00:00.000000Z", "endedAt": None,
    },
    "scheduled": {
        "account": "lab", "effectiveAt": "2027-02-01T00:00:00.000000Z",
        "commandId": "6f2b7a52-0ad0-4e07-a2d1-9be8d47a4f3f", "commandSource": "/cli",
    },
    "waiting": [
        {"account": name, "until": "2027-01-31T13:00:00.000000Z", "commandId": "c1", "commandSource": "/portal"}
        for name in ("hq", _LONG)
    ],
}  # fmt: skip

_ACCOUNTS: list[dict[str, Any]] = [
    ACCOUNT,
    ACCOUNT | {"account": "lab", "displayName": None, "phase": "Ready", "conditions": [ACCOUNT["conditions"][0]]},
]
_PROJECTS: list[dict[str, Any]] = [
    _PROJECT,
    _PROJECT | {"project": _LONG, "payer": None, "state": "Inactive", "displayName": "Somewhere else"},
]
_INTERVALS: list[dict[str, Any]] = [
    _PROJECT["payer"] | {"from": "2027-01-31T12:00:00.000000Z", "until": "2027-02-01T00:00:00.000000Z"},
    _PROJECT["payer"] | {"account": "lab", "from": "2027-02-01T00:00:00.000000Z", "until": None},
]

_ASKED: list[dict[str, Any]] = [
    {
        "time": "2027-01-31T12:00:00.000000Z", "person": "ada@example.com", "dryRun": False, "outcome": "Rejected",
        "commandType": "io.milo.billing.BindProject.v1", "reasons": ["Forbidden"], "project": "genome",
        "account": _LONG, "roles": ["viewer", "project-owner"], "issuer": "https://idp.example", "commandId": "c1",
    }
]  # fmt: skip

_REPLAY = KeptReplay(
    name="invoices-of-january", selection=Selection(), target="billing.replay.invoices", target_id=None, partitions=12,
    asked_partitions=None, until=NOON, available_from=None, spans={0: (0, 400), 1: (0, 600)}, rate=None,
    is_detached=True, state=ReplayState.RUNNING, trouble=None, owner="worker-3.example.com-17-5f3a9c21",
    is_leased=True, records=120, looked_at=250, begun_at=NOON, forgotten_at=None, manifest=None,
)  # fmt: skip
WATCHED = View(
    "production",
    standings={
        "database": [
            Standing(Verdict.WELL, "database", "It answers.", "", Section.UPGRADING),
            Standing(Verdict.NOTE, "audit", "None was kept yet.", "whopays verify", Section.AUDITING),
            Standing(Verdict.TROUBLE, "dead letters", "3 wait for somebody: 3 InvalidFact.",
                     "whopays dead-letters list --waiting; then redrive or discard them.", Section.DEAD_LETTERS),
        ],
        "Kafka": [Standing(Verdict.WELL, "topics", "All are as they must be.", "", Section.REFUSES_TO_START)],
    },
    waiting=[
        Waiting(Topic.PROJECTS, 0, 0.0, [Reader("10.0.0.7", 6), Reader("10.0.0.7", 6)]),
        Waiting(Topic.PAYMENT_PROFILES, 0, 0.0, []),
        Waiting(Topic.ADMIN_COMMANDS, 12_345, 192.0, [Reader("10.0.0.7", 8), Reader("10.0.0.8", 4)],
                {b"acme": 912, b"globex": 80, b"\x1b[2J": 7, None: 1}),
    ],
    slots=[Slot(0, "worker-1-17-5f3a9c21", 8.0)], held_seconds={0: 7_500.0},
    decided={Topic.PROJECTS: 13.21, Topic.ADMIN_COMMANDS: 1_204.0},
    published=2_410.4, unpublished=17, unpublished_seconds=0.4,
    fan_outs=[
        OpenFanOut("acme", _LONG, "AccountSuspended", NOON, "genome", 10_000),
        OpenFanOut("acme", "lab", "AccountReady", NOON, "", 1),
    ],
    replays=[
        _REPLAY,
        replace(_REPLAY, name="yesterday", is_leased=False),
        replace(_REPLAY, name="again", state=ReplayState.FAILED, trouble="the topic has another id"),
    ],
    letters=[_LETTERS[0]],
    at_work={
        "http://10.0.0.7:9100/metrics": [
            AtWork("admin-commands", "10.0.0.7:9100", 0.6,
                   Batches(4.1, 0.741, dict(zip(Step, (0.0, 0.054, 0.118, 0.099, 0.124, 0.042, 0.105, 0.085, 0.089),
                                                strict=True)))),
            AtWork("relay", "10.0.0.7:9100", 45.0, None),
        ]
    },
    outcomes={"Applied": 1_190.0, "Rejected": 14.2, "Waiting": 0.0},
)  # fmt: skip
_OF_SEVERAL_SLOTS = View(
    "production",
    slots=[
        *(Slot(number, "worker-1-17-5f3a9c21", 8.0) for number in (0, 1, 2)),
        Slot(3, "worker-2-17-0b9c44de", 3.0),
        Slot(4, "worker-1-17-5f3a9c21", 7.0),
        Slot(5, "worker-2-17-0b9c44de", -61.0),
        Slot(6, None, None),
    ],
    held_seconds={0: 7_500.0, 1: 7_500.0, 2: 7_500.0, 3: 40.0, 4: 12.0}, unpublished=0,
)  # fmt: skip

SUBJECTS: dict[str, tuple[RenderableType, ...]] = {
    "timeline": (
        Timeline("acme/genome", (_entry(1, "main", 0, 10), _entry(2, "lab", 10, 20), _entry(3, "main", 25, None)),
                 NOON + timedelta(minutes=30)),
    ),
    "timeline-of-long-names": (
        Timeline(f"acme/{_LONG}", (_entry(1, _LONG, 0, 10), _entry(2, "lab", 10, None)), NOON + timedelta(minutes=30)),
    ),
    "project": (project_card(_PROJECT),),
    "account": tuple(account_view(ACCOUNT)),
    "accounts": (accounts_listing(_ACCOUNTS),),
    "projects": (projects_listing(_PROJECTS),),
    "unbound": (unbound_listing(_PROJECTS[1:]),),
    "intervals": (intervals_listing("account", _INTERVALS),),
    "audit": (audit_listing(_ASKED),),
    "result": (result_card(RESULT, _STANDING),),
    "dead-letters-list": (listing_of(_LETTERS),),
    "dead-letters-show": (card_of(KEPT, _ACTIONS, KEPT.record.value, is_hidden=False),),
    "topics-check": tuple(differences_view(_DIFFERENCES)),
    "tail": (event_line(EVENT),),
    "top": tuple(drawn_view(WATCHED, NOON)),
    "top-of-several-slots": tuple(drawn_view(_OF_SEVERAL_SLOTS, NOON)),
    "verify": (finding_line(_FINDING),),
}  # fmt: skip


def drawn(parts: Sequence[RenderableType], width: int) -> str:
    """Draw as `show` prints on a terminal of a width, or where there is none."""
    out = StringIO()
    screen = Console(file=out, width=width, highlight=False, legacy_windows=False)
    put(screen, *parts)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def pictures() -> Iterator[tuple[Path, str]]:
    """Yield each picture's file with what it should hold."""
    for name, parts in SUBJECTS.items():
        for width, cells in WIDTHS.items():
            yield PICTURES / f"{name}.{width}.txt", drawn(parts, cells)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for file, picture in pictures():
        file.write_text(picture, encoding="utf-8")
