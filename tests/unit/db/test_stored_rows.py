"""What is stored of dead letters and phases, row by row, and that no more is updated than a worker may update."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import TextClause

from db import store
from db.privileges import PRIVILEGES, Party
from db.sealing import LocalKeys, Sealed, unseal
from domain.dead_letters import Dead
from domain.state import PhaseEntered
from schemas.askers import Unidentified
from schemas.events import Phase, PhaseReason
from schemas.records import DeadLetterReason, Record

_NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_KEYS = LocalKeys({"first": b"k" * 32}, "first")
_SENT = {"key": b"acme", "header_names": [b"a"], "header_values": [b"1"]}
_EVENT = (7, 3, _NOW, "dead-letters", b"acme", b"", b"", None, None)
_CONTENT = (*_SENT, "value", "sha256", "key_id", "wrapped_key", "sealed", "asker")


def _row(dead: Dead) -> dict[str, Any]:
    return dict(zip(store._DEAD_COLUMNS, store._dead_row(dead, _EVENT, 11, _KEYS), strict=True))


@pytest.mark.parametrize(
    ("reason", "is_private", "checked", "value"),
    tuple(
        product(
            (DeadLetterReason.INVALID_FACT, DeadLetterReason.CARD_NUMBER),
            (True, False),
            (Unidentified("no token"), None),
            (b"said", b"", None),
        )
    ),
)
def test_what_is_kept_of_a_dead_letter(
    reason: DeadLetterReason, is_private: bool, checked: Unidentified | None, value: bytes | None
) -> None:
    """Of a card number nothing is kept; a value that may be personal is sealed alone, and so is who asked."""
    record = Record("billing.projects", 1, 5, _NOW, b"acme", (("a", b"1"),), value)
    row = _row(Dead(record, reason, "why", is_private, "acme", organization="acme", checked=checked))
    assert {name: row.pop(name) for name in ("topic", "partition", "offset", "timestamp", "reason", "detail")} == {
        "topic": "billing.projects", "partition": 1, "offset": 5, "timestamp": _NOW, "reason": reason, "detail": "why",
    }  # fmt: skip
    assert {name: row[name] for name in row if name not in _CONTENT} == {
        "recorded_at": _NOW, "organization": "acme", "size": len(value or b""), "shard": 7, "position": 3, "origin": 11,
    }  # fmt: skip
    if reason is DeadLetterReason.CARD_NUMBER:
        assert {row[name] for name in _CONTENT} == {None}
        return
    assert {name: row[name] for name in _SENT} == _SENT
    assert row["sha256"] == (None if value is None else hashlib.sha256(value).digest())
    assert row["value"] == (None if is_private else value)
    is_sealed = is_private and value is not None
    assert (row["sealed"] is not None, row["asker"] is not None) == (is_sealed, checked is not None)
    assert (row["key_id"], row["wrapped_key"] is not None) == (
        ("first", True) if is_sealed or checked else (None, False)
    )
    if is_sealed:
        sealed = Sealed(row["key_id"], row["wrapped_key"], row["sealed"])
        assert unseal(sealed, "dead-letter:billing.projects/1/5", _KEYS) == value


def _phase(organization: str, account: str, number: int, instant: datetime) -> PhaseEntered:
    return PhaseEntered(
        organization=organization, account=account, number=number, previous_phase=None, phase=Phase.PROVISIONING,
        reason=PhaseReason.CREATED, message="", by="ada", caused_by="c1", entered_at=instant,
    )  # fmt: skip


def test_each_phase_is_noted_with_the_place_of_its_event() -> None:
    """That is the account's at its instant: not of a project of the same name, nor of another instant."""
    phases = [_phase("acme", "main", 1, _NOW), _phase("acme", "main", 2, _NOW + _TICK), _phase("acme", "lab", 1, _NOW)]
    events = [
        (1, 4, _NOW, "accounts", b"acme/main", b"", b""), (1, 5, _NOW, "notices", b"acme/main", b"", b""),
        (1, 6, _NOW + _TICK, "bindings", b"acme/main", b"", b""),
        (1, 7, _NOW + _TICK, "accounts", b"acme/main", b"", b""),
        (1, 8, _NOW + _TICK, "accounts", b"acme/lab", b"", b""), (2, 1, _NOW, "accounts", b"globex/lab", b"", b""),
    ]  # fmt: skip
    rows = store._phase_rows(phases, events)
    told = [dict(zip(store._PHASE_COLUMNS, row, strict=True)) for row in rows]
    assert [(one["account"], one["number"], one["shard"], one["position"]) for one in told] == [
        ("main", 1, 1, 4), ("main", 2, 1, 7), ("lab", 1, None, None),
    ]  # fmt: skip
    assert [(one["entered_at"], one["caused_by"]) for one in told] == [
        (_NOW, "c1"), (_NOW + _TICK, "c1"), (_NOW, "c1")
    ]  # fmt: skip
    assert store._phase_rows([], events) == []


def test_what_is_done_with_is_deleted_and_nothing_else() -> None:
    changed = {("acme", "web", 1): None, ("acme", "web", 2): object(), ("globex", "api", 3): None}
    assert store._done(changed, "project") == [
        {"organization": "acme", "project": "web", "number": 1},
        {"organization": "globex", "project": "api", "number": 3},
    ]


@pytest.mark.parametrize(
    "statement", [one for name, one in vars(store).items() if name.startswith(("_UPSERT", "_UPDATE", "_MOVE"))]
)
def test_nothing_is_updated_that_a_worker_may_not_update(statement: TextClause) -> None:
    told = re.match(r"\s*(?:INSERT INTO|UPDATE) (\w+).*? SET ([^\n]*)", statement.text, re.DOTALL)
    assert told is not None
    allowed = PRIVILEGES[Party.WORKER][told[1]]["UPDATE"]
    assert allowed == () or set(re.findall(r"(\w+) = ", told[2])) <= set(allowed)
