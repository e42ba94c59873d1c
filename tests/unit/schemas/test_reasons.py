"""The reasons of violations, in the order in which they are told, and which of them are worth another try."""

from schemas.results import (
    RETRYABLE,
    Reason,
    violation,
)

# docs/contract.md section 6, word for word.
REASONS = [
    "Unauthenticated",
    "Forbidden",
    "CommandIdReused",
    "Expired",
    "UnknownCommand",
    "Invalid",
    "CardNumber",
    "AccountNotFound",
    "AccountExists",
    "AccountArchived",
    "ProjectNotFound",
    "ProjectNotActive",
    "AccountNotReady",
    "AccountClosing",
    "PreconditionFailed",
    "CurrencyImmutable",
    "CurrencyMismatch",
    "UnsupportedPaymentProfile",
    "InvalidTransition",
    "CauseUnresolved",
    "SelfApproval",
    "ActiveBindingsExist",
    "ChargesOutstanding",
    "TooManyProjects",
    "Superseded",
]
WORTH_ANOTHER_TRY = [
    "AccountNotFound",
    "ProjectNotFound",
    "ProjectNotActive",
    "AccountNotReady",
    "AccountClosing",
    "PreconditionFailed",
    "CauseUnresolved",
    "ActiveBindingsExist",
    "ChargesOutstanding",
]


def test_the_reasons_in_their_order() -> None:
    assert [str(reason) for reason in Reason] == REASONS
    assert [str(reason) for reason in Reason if reason in RETRYABLE] == WORTH_ANOTHER_TRY
    assert [str(reason) for reason in Reason if violation(reason, "m").retryable] == WORTH_ANOTHER_TRY
