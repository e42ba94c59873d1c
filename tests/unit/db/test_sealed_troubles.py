"""What is said of a dead letter whose value, or whose asker, cannot be opened or is another."""

import hashlib
from dataclasses import asdict
from typing import Any

import pytest

from db.redriven import about_asker, asker_piece
from db.sealed_troubles import _asker_trouble, _value_trouble
from db.sealing import LocalKeys, seal_together
from schemas.askers import Unidentified

_KEYS = LocalKeys({"first": b"k" * 32}, "first")
_PLACE = "t/0/5"


def _letter(who_asked: bytes = asker_piece(Unidentified("no token")), **members: Any) -> dict[str, Any]:
    pieces = {f"dead-letter:{_PLACE}": b"said", about_asker(_PLACE): who_asked}
    value, who = seal_together(pieces, _KEYS).values()
    return {
        "topic": "t", "partition": 0, "offset": 5, **asdict(value), "asker": who.sealed,
        "sha256": hashlib.sha256(b"said").digest(),
    } | members  # fmt: skip


@pytest.mark.parametrize(
    ("members", "of_value", "of_asker"),
    (
        ({}, None, None),
        ({"sha256": None}, None, None),
        ({"sealed": None}, None, None),
        ({"asker": None}, None, None),
        ({"sha256": b"another"}, "its value was altered: its SHA-256 is different", None),
        ({"offset": 6}, "its value cannot be opened: the sealed bytes", "its sender cannot be opened: the sealed"),
        ({"key_id": "gone"}, "its value cannot be opened: the key-enc", "its sender cannot be opened: the key-enc"),
        ({"sealed": b"altered"}, "its value cannot be opened", None),
        ({"asker": b"altered"}, None, "its sender cannot be opened"),
    ),
)
def test_what_is_wrong_with_a_dead_letter(members: dict[str, Any], of_value: str | None, of_asker: str | None) -> None:
    letter = _letter(**members)
    for trouble, said in ((_value_trouble(letter, _KEYS), of_value), (_asker_trouble(letter, _KEYS), of_asker)):
        assert (trouble is None, said or "") == (said is None, (trouble or "")[: len(said or "")])


def test_an_asker_that_is_opened_and_is_nobody() -> None:
    assert _asker_trouble(_letter(who_asked=b'{"who":7}'), _KEYS) == "its sender can be opened, but is invalid"
