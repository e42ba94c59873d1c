"""The words of `docs/contract.md` that the runner checks against, kept apart from the service's own."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

DEFAULT_PREFIX: Final = "billing."
INPUT_TOPICS: Final = ("projects", "payment-profiles", "admin-commands")
OUTPUT_TOPICS: Final = ("bindings", "accounts", "notices", "command-results", "dead-letters")
COMMAND_TOPIC: Final = "admin-commands"
RESULT_TOPIC: Final = "command-results"
DEAD_LETTER_TOPIC: Final = "dead-letters"

TOPIC_OF_FACT: Final = {"ProjectChanged": "projects", "PaymentProfileChanged": "payment-profiles"}
TOPIC_OF_EVENT: Final = {
    "BindingChanged": "bindings",
    "AccountPhaseChanged": "accounts",
    "AccountChanged": "accounts",
    "ProjectBillingNotice": "notices",
}
EVENT_TOPICS: Final = ("bindings", "accounts", "notices")
NAMES_OF_TOPIC: Final = {
    "bindings": ("BindingChanged",),
    "accounts": ("AccountPhaseChanged", "AccountChanged"),
    "notices": ("ProjectBillingNotice",),
    "command-results": ("CommandCompleted",),
    "dead-letters": ("DeadLetter",),
}

INTERIM_OUTCOMES: Final = ("Scheduled", "Waiting")
OUTCOMES: Final = ("Applied", "Unchanged", *INTERIM_OUTCOMES, "Rejected")

ADMISSION_REASONS: Final = ("Unauthenticated", "Forbidden")
IDENTITY_REASONS: Final = ("CommandIdReused", "Expired", "UnknownCommand")
SHAPE_REASONS: Final = ("Invalid", "CardNumber")
STATE_REASONS: Final = (
    "AccountNotFound", "AccountExists", "AccountArchived", "ProjectNotFound", "ProjectNotActive", "AccountNotReady",
    "AccountClosing", "PreconditionFailed", "CurrencyImmutable", "CurrencyMismatch", "UnsupportedPaymentProfile",
    "InvalidTransition", "CauseUnresolved", "SelfApproval", "ActiveBindingsExist", "ChargesOutstanding",
    "TooManyProjects", "Superseded",
)  # fmt: skip
REASONS: Final = (*ADMISSION_REASONS, *IDENTITY_REASONS, *SHAPE_REASONS, *STATE_REASONS)
RETRYABLE_REASONS: Final = frozenset(
    {
        "AccountNotFound", "ProjectNotFound", "ProjectNotActive", "AccountNotReady", "AccountClosing",
        "PreconditionFailed", "CauseUnresolved", "ActiveBindingsExist", "ChargesOutstanding",
    }
)  # fmt: skip

HOLD_REASONS: Final = ("PaymentFailure", "ComplianceViolation", "Administrative")
REASONS_OF_PHASE: Final[dict[str, tuple[str, ...]]] = {
    "Provisioning": ("Created", "ConfigurationMissing"),
    "Incomplete": (
        "PaymentProfileMissing", "PaymentProfileNotFound", "PaymentProfileInvalid", "PaymentProfileExpired",
        "PaymentProfileRemoved", "PaymentProfileNotAllowed",
    ),
    "Suspended": HOLD_REASONS,
    "Ready": ("RequirementsMet",),
    "Archived": ("Closed",),
}  # fmt: skip
PHASE_REASONS: Final = frozenset(reason for reasons in REASONS_OF_PHASE.values() for reason in reasons)
CONDITIONS: Final = ("ConfigurationValid", "PaymentProfileValid", "NoHolds", "Ready")

COMMANDS_THAT_CHANGE_AN_ACCOUNT: Final = (
    "CreateAccount", "UpdateAccount", "AttachPaymentProfile", "DetachPaymentProfile", "SuspendAccount",
    "RequestReactivation", "ApproveReactivation", "RequestClosure", "ApproveClosure", "WithdrawClosure",
)  # fmt: skip
COMMANDS_THAT_CHANGE_NO_ACCOUNT: Final = ("BindProject", "TransferProjects", "CancelScheduledBinding")

SHOWN_AT_MOST: Final = 100
"""How many events and violations a result lists; its counts include the rest."""

_OUR_TYPE = re.compile(r"io\.milo\.billing\.(\w+)\.v\d+")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_TRACE_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_PLAIN_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


def full_type(name: str) -> str:
    """Return `Name` in full; a name with a dot is returned unchanged."""
    return name if "." in name else f"io.milo.billing.{name}.v1"


def short_type(type_: str) -> str:
    """Return the `Name` of one of our types, of any version; another type is returned unchanged."""
    ours = _OUR_TYPE.fullmatch(type_)
    return ours.group(1) if ours else type_


def to_instant(text: object) -> datetime | None:
    """Return the instant that an RFC 3339 text with an offset names, in UTC; `None` for everything else."""
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def instant_text(instant: datetime) -> str:
    """Return an instant as RFC 3339 in UTC, to the microsecond."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_decimal(text: object) -> Decimal | None:
    """Return the value of a text that holds a plain decimal; `None` for everything else."""
    if not isinstance(text, str) or not _PLAIN_DECIMAL.fullmatch(text):
        return None
    return Decimal(text)


def is_trace_parent(text: object) -> bool:
    """Return whether it is a `traceparent` by W3C's Trace Context: of version 00 no more than its four parts."""
    found = _TRACE_PARENT.fullmatch(text) if isinstance(text, str) else None
    return found is not None and (found.group(1) != "00" or found.group(2) is None)
