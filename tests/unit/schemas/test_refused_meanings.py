"""What a refused command means, and what its result may tell of it (docs/contract.md sections 2 and 6)."""

from typing import Any

import pytest

from schemas.commands import told
from tests.unit.schemas.building import BIND, CARD, command, record, structured

RED = BIND | {"colour": "red"}
HUGE = BIND | {"colour": 10**30}


def _meaning(data: dict[str, Any]) -> bytes:
    message = command(structured("BindProject", data))
    assert message.command is None
    return message.fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    (
        (RED, dict(reversed(RED.items()))),
        (HUGE, dict(reversed(HUGE.items()))),
        *((RED, RED | {"dryRun": is_dry_run}) for is_dry_run in (False, True, None)),
    ),
)
def test_the_same_meaning_though_it_is_refused(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert _meaning(one) == _meaning(other)


@pytest.mark.parametrize(
    ("one", "other"),
    (
        (BIND | {"colour": True}, BIND | {"colour": False}),
        (BIND | {"dryRun": "yes"}, BIND | {"dryRun": "no"}),
        (BIND | {"dryRun": "yes"}, RED),
    ),
)
def test_another_meaning_of_what_is_refused(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert _meaning(one) != _meaning(other)


def _of_number(digits: bytes) -> bytes:
    return command(record((structured("BindProject", RED).value or b"").replace(b'"red"', digits))).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    (
        (b"%d" % 10**45, b"%d" % (10**45 + 1)),
        (b"[%d,%d]" % (10**30, 10**45), b"[%d,%d]" % (10**30, 10**45 + 1)),
        (b'{"a":%d,"b":[%d]}' % (10**30, 10**45), b'{"a":%d,"b":[%d]}' % (10**30, 10**45 + 1)),
        (b"%d" % 10**400, b"%d" % 10**401),
        (b"%d" % 10**45, b'"%d"' % 10**45),
        (b"1e400", b"null"),
        (b"1e400", b"2e400"),
        (b"1e400", b"-1e400"),
        (b"1e-400", b"0.0"),
        (b"1e99999999999999999999", b"2e99999999999999999999"),
        (b"0.1", b"0.10000000000000000001"),
    ),
)
def test_numbers_count_as_they_were_sent(one: bytes, other: bytes) -> None:
    assert _of_number(one) == _of_number(b" " + one)
    assert _of_number(one) != _of_number(other)


def test_the_spelling_of_a_number_does_not_matter() -> None:
    assert len({_of_number(number) for number in (b"0.1", b"0.10", b"1e-1", b"1E-1")}) == 1


def test_a_name_of_the_code_is_not_taken_for_one_of_the_contract() -> None:
    assert (
        _meaning(BIND | {"wait_seconds": 5})
        != command(structured("BindProject", BIND | {"waitSeconds": 5})).fingerprint
    )


@pytest.mark.parametrize(
    ("data", "is_told", "project"),
    (
        (BIND, True, "p1"),
        (RED, True, "p1"),
        (BIND | {"project": CARD}, True, CARD),
        (BIND | {"reason": CARD}, False, "p1"),
        (RED | {"reason": CARD}, False, "p1"),
        (RED | {"reason": CARD, "project": CARD}, False, None),
    ),
)
def test_of_a_card_number_no_fingerprint_is_told_and_no_name_that_may_be_one(
    data: dict[str, Any], is_told: bool, project: str | None
) -> None:
    message = command(structured("BindProject", data))
    assert message.told_fingerprint == (told(message.fingerprint) if is_told else None)
    assert (message.account, message.project) == ("a", project)
