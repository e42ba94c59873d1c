"""What an audit finds between what is kept of a command and its result in the log."""

from typing import Any

import orjson
import pytest

from audit.claims import digest_of
from audit.results import _forgotten_trouble
from tests.unit.audit.telling import result


@pytest.mark.parametrize(
    ("data", "changed", "trouble"),
    (
        ({"fingerprint": "00ff"}, {}, None),
        ({}, {}, None),
        ({"fingerprint": "00fe"}, {}, "it is kept with the fingerprint 00ff, its result has another"),
        ({"outcome": "Waiting"}, {}, "the row there is not its last result"),
        ({"dryRun": True}, {}, "the row there is not its result"),
        ({}, {"topic": "notices"}, "the row there is not its result"),
        ({}, {"digest": bytes(24)}, "the row there is not its result"),
    ),
)
def test_what_is_kept_of_a_command_that_was_forgotten(
    data: dict[str, Any], changed: dict[str, Any], trouble: str | None
) -> None:
    topic, event = result("c1", **data)
    digest = digest_of(("acme", "/cli", "c1"))
    row = {"value": orjson.dumps(event), "topic": topic, "digest": digest, "fingerprint": b"\x00\xff"}
    assert _forgotten_trouble(row | changed) == trouble
