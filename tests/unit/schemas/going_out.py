"""An event to render."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.events import (
    BindingChanged,
    Cause,
    CurrentBinding,
    Event,
    PreviousBinding,
)
from schemas.outgoing import Outgoing, render
from schemas.terms import EarlyPaymentDiscount, PaymentTerms

NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
LATER = NOON + timedelta(microseconds=1)

BOUND = BindingChanged(
    organization="acme",
    project="p1",
    change="Superseded",
    current=CurrentBinding(
        binding_id="b-2",
        account="a",
        established_at=LATER,
        currency_code="USD",
        payment_terms=PaymentTerms(
            early_payment_discount=EarlyPaymentDiscount(percent=Decimal("2.50"), within_days=10)
        ),
    ),
    previous=PreviousBinding(binding_id="b-1", account="b", established_at=NOON, ended_at=LATER),
    cause=Cause(command_id="c-1", by="alice", reason="budget"),
)


def outgoing(event: Event = BOUND, **changed: Any) -> Outgoing:
    """Return an event as it goes out, with the usual attributes but for those that are changed."""
    usual: dict[str, Any] = {
        "event": event,
        "boundary": "acme",
        "subject": "acme/p1",
        "key": b"acme/p1",
        "time": LATER,
        "sequence": 2,
        "causation_id": "c-1",
        "sender": "alice",
        "passed_on": {"correlationid": "order 12"},
    }
    return Outgoing(**usual | changed)


def members(going_out: Outgoing) -> dict[str, Any]:
    """Return the members of its value."""
    found: dict[str, Any] = json.loads(render(going_out, "5-77", "/whopays/test"))
    return found
