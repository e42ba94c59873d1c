"""What is said of a dead letter, line for line, where the pictures do not show it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from cli.operating.dead_letters import card_of, document_of, listing_of
from cli.terminal.screen import UNLIMITED
from db.dead_letter_actions import Action
from db.dead_letters import KeptDeadLetter
from schemas.records import DeadLetterReason
from tests.unit.cli.drawing import KEPT, NOON, drawn

_AT = "2027-01-31T12:00:00.000000Z"

_LETTER: Mapping[str, Any] = {
    "number": 17, "id": "31-4711", "time": _AT, "organization": "acme", "topic": "billing.projects", "partition": 3,
    "offset": 1042, "timestamp": _AT, "reason": "InvalidFact", "detail": KEPT.detail, "size": 17, "sha256": None,
    "encrypted": False, "kept": True, "state": "waiting", "redriven": None, "discarded": None, "redrivenFrom": 9,
}  # fmt: skip


def test_dead_letters_for_programs() -> None:
    assert document_of(KEPT) == _LETTER
    redriven = replace(KEPT, sha256=b"\x01\xff", redriven_at=NOON)
    assert document_of(redriven) == {**_LETTER, "sha256": "01ff", "redriven": _AT, "state": "redriven"}
    discarded = replace(KEPT, discarded_at=NOON, redriven_at=NOON - timedelta(hours=1))
    assert document_of(discarded)["state"] == "discarded"


@pytest.mark.parametrize(
    ("changed", "state"),
    (
        ({}, "waiting"),
        ({"unconfirmed_id": UUID(int=1), "redriven_at": NOON}, "redriven, unconfirmed"),
        ({"redriven_at": NOON}, "redriven 2027-01-31 12:00:00"),
        ({"discarded_at": NOON}, "discarded 2027-01-31 12:00:00"),
    ),
)
def test_what_became_of_a_dead_letter(changed: dict[str, Any], state: str) -> None:
    assert f"  acme          {state}  " in drawn([listing_of([replace(KEPT, **changed)])], UNLIMITED)


def _card(kept: KeptDeadLetter, *actions: Action, value: bytes | None = None, is_hidden: bool = False) -> list[str]:
    return [
        line.rstrip() for line in drawn([card_of(kept, actions, value, is_hidden=is_hidden)], UNLIMITED).splitlines()
    ]


_SENT = Action("Redriven", "ada", NOON, None, NOON, "p/3/1050", False, None)


@pytest.mark.parametrize(
    ("action", "said"),
    (
        (_SENT, "redriven at    A by ada as p/3/1050"),
        (replace(_SENT, place=None), "redriven at    A by ada"),
        (replace(_SENT, is_read=True), "redriven at    A by ada as p/3/1050, which was read"),
        (replace(_SENT, dead_letter=23), "redriven at    A by ada as p/3/1050, which became dead letter 23"),
        (
            replace(_SENT, sent_at=None),
            "redriven at    A by ada; it was interrupted, and nobody knows whether the record is on its topic",
        ),
        (replace(_SENT, action="Discarded", reason="sent by hand"), "discarded at   A by ada: sent by hand"),
        (replace(_SENT, action="Other", reason="why"), "Other          A by ada: why"),
    ),
)
def test_what_was_done_about_a_dead_letter(action: Action, said: str) -> None:
    assert said.replace(" A ", f" {_AT} ") in _card(KEPT, action)


def test_the_record_of_a_dead_letter() -> None:
    assert _card(KEPT, value=b"v")[-4:] == [
        "key            acme",
        "header         content-type: application/json",
        "size           17 bytes",
        "value          v",
    ]
    record = replace(KEPT.record, key=None, headers=(("h", None), ("i", b"\xff")))
    assert _card(replace(KEPT, record=record, origin=None, event_id=None), is_hidden=True)[-5:] == [
        "key           none",
        "header        h:",
        "header        i: \\xff",
        "size          17 bytes",
        "value         encrypted: --open decrypts it",
    ]
    of_nothing = [line.split()[0] for line in _card(replace(KEPT, record=record, origin=None, event_id=None))]
    assert {"event", "redriven"}.isdisjoint(of_nothing)
    assert _card(replace(KEPT, is_kept=False))[-1] == "content        erased"
    card = replace(KEPT, is_kept=False, reason=DeadLetterReason.CARD_NUMBER)
    assert _card(card)[-1] == "content        not kept, since it holds a card number"
    assert _card(KEPT, value=b"x" * 65536)[-1] == f"value          {'x' * 65536}"
    assert _card(KEPT, value=b"x" * 65537)[-2:] == [
        f"value          {'x' * 65536}",
        f"{'':15}These are the first 65536 bytes: --json has all.",
    ]
