"""What the demonstration adds up."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cli.demo.replaying import paid


def changed(minute: int, account: str | None, before: tuple[str, int] | None) -> dict[str, Any]:
    """Return a change of payer: `account` pays from a minute on, and `before` has paid since its own."""
    at = f"2026-01-01T00:{minute:02d}:00.000000Z"
    return {
        "type": "io.milo.billing.BindingChanged.v1",
        "data": {
            "organization": "acme",
            "current": {"account": account, "establishedAt": at} if account else None,
            "previous": before and {"account": before[0], "endedAt": at},
        },
    }


def test_an_account_has_paid_from_each_beginning_to_its_end_or_until_now() -> None:
    events = [changed(1, "main", None), changed(4, "lab", ("main", 1)), changed(6, None, ("lab", 4))]
    events += [changed(2, "main", None), {"type": "io.milo.billing.AccountChanged.v1", "data": {}}]
    until = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    expected = {("acme", "lab"): timedelta(minutes=2), ("acme", "main"): timedelta(minutes=3 + 8)}
    assert paid(events, until) == paid(reversed(events), until) == expected
    assert paid([*events, events[0]], until) != expected
    assert paid(events[1:], until) != expected
