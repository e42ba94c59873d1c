"""What an audit finds between what is kept of a command and its result in the log."""

from typing import Any

import orjson
import pytest

from audit.archived import ArchivedShard
from audit.claims import digest_of
from audit.log_story import Story
from audit.results import _claim_trouble, _forgotten_trouble
from db.shard_ranges import ShardRange
from tests.unit.audit.telling import result

_NOTHING_ARCHIVED = ArchivedShard([], None, {}, {})
_WHERE = "the row at shard 0, position 7"


def _story(is_whole: bool = True, *unanswered: tuple[str, str, str]) -> Story:
    story = Story(0, ShardRange(0, 1))
    story.is_whole = is_whole
    story.unanswered = dict.fromkeys(unanswered, 7)
    return story


@pytest.mark.parametrize(
    ("data", "changed", "story", "trouble"),
    (
        ({}, {}, _story(), None),
        ({"outcome": "Waiting"}, {"outcome": "Waiting"}, _story(True, ("acme", "/cli", "c1")), None),
        ({"outcome": "Waiting"}, {"outcome": "Waiting"}, _story(), f"{_WHERE} is not its last result"),
        ({"repeated": True}, {}, _story(), f"{_WHERE} is not its result"),
        ({}, {"topic": "notices"}, _story(), f"{_WHERE} is not its result"),
        ({}, {"source": "/portal"}, _story(), f"{_WHERE} is not its result"),
        ({}, {"command_id": "c2"}, _story(), f"{_WHERE} is not its result"),
        (
            {"account": "main"},
            {},
            _story(),
            "it is found by outcome Applied, project None, account None: its result says otherwise",
        ),
        ({}, {"value": None}, _story(), "it is claimed, but has no result at shard 0, position 7"),
        ({}, {"value": None}, _story(is_whole=False), None),
    ),
)
def test_what_a_claim_points_to(
    data: dict[str, Any], changed: dict[str, Any], story: Story, trouble: str | None
) -> None:
    topic, event = result("c1", **data)
    claim = {
        "organization": "acme", "source": "/cli", "command_id": "c1", "shard": 0, "position": 7,
        "outcome": "Applied", "project": None, "account": None, "topic": topic, "value": orjson.dumps(event),
    }  # fmt: skip
    assert _claim_trouble(claim | changed, story, _NOTHING_ARCHIVED) == trouble


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
        ({}, {"value": None}, "there is no such row in the log"),
    ),
)
def test_what_is_kept_of_a_command_that_was_forgotten(
    data: dict[str, Any], changed: dict[str, Any], trouble: str | None
) -> None:
    topic, event = result("c1", **data)
    digest = digest_of(("acme", "/cli", "c1"))
    row = {
        "value": orjson.dumps(event), "topic": topic, "digest": digest, "fingerprint": b"\x00\xff", "position": 7,
    }  # fmt: skip
    assert _forgotten_trouble(row | changed, _story(), _NOTHING_ARCHIVED) == trouble
