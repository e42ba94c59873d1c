"""A replay that is asked for again must be the same, and it goes to no topic that would lose or mix what it says."""

from dataclasses import replace
from typing import Any

import pytest

from db.log import largest_event_bytes
from schemas.replays import Selection, selection_of
from schemas.topics import MOST_PARTITIONS, TOPIC_PLANS, Topic
from tests.unit.workers.test_tally import _REPLAY
from workers.replaying.beginning import DEFAULT_PARTITIONS, ReplayRequest, _insist_on_the_same
from workers.replaying.refusal import ReplayRefused, ReplayTaken
from workers.replaying.target import refuse_unfit
from workers.runtime.settings import Settings
from workers.topics.cluster import FoundTopic

_SETTINGS = Settings(topic_prefix="t.")
_KNOWN = replace(_REPLAY, target="t.replay.again", partitions=DEFAULT_PARTITIONS)
_ASKED = ReplayRequest("again", Selection())
_ACME = selection_of(organization="acme")


def _found(partitions: int = 3, **settings: str) -> FoundTopic:
    return FoundTopic(None, partitions, 1, {name.replace("_", "."): said for name, said in settings.items()})


@pytest.mark.parametrize(
    ("asked", "known"),
    (
        ({}, {}),
        ({"partitions": 12}, {}),
        ({"target": "t.replay.again", "rate": 7, "is_available_enough": True, "is_detached": True}, {}),
        ({}, {"partitions": 3}),
        ({"partitions": 3}, {"partitions": 3, "asked_partitions": 3}),
        ({"target": "other"}, {"target": "other"}),
        ({"selection": _ACME}, {"selection": _ACME}),
    ),
)
def test_the_same_again(asked: dict[str, Any], known: dict[str, Any]) -> None:
    _insist_on_the_same(_SETTINGS, replace(_ASKED, **asked), replace(_KNOWN, **known))


@pytest.mark.parametrize(
    ("asked", "known", "said"),
    (
        ({"partitions": 3}, {}, "it has 12 partitions, not 3"),
        ({}, {"partitions": 3, "asked_partitions": 3}, "it has 3 partitions, not 12"),
        ({"target": "other"}, {}, "its topic is t.replay.again, not other"),
        ({}, {"target": "other"}, "its topic is other, not t.replay.again"),
        (
            {"selection": selection_of(types=["BindingChanged", "AccountChanged"])},
            {},
            "its selection is everything, not type io.milo.billing.AccountChanged.v1 io.milo.billing.BindingChanged.v1",
        ),
        (
            {"selection": _ACME, "target": "other"},
            {},
            "its selection is everything, not organization acme; its topic is t.replay.again, not other",
        ),
    ),
)
def test_another_of_the_same_name(asked: dict[str, Any], known: dict[str, Any], said: str) -> None:
    with pytest.raises(ReplayTaken) as taken:
        _insist_on_the_same(_SETTINGS, replace(_ASKED, **asked), replace(_KNOWN, **known))
    assert str(taken.value).splitlines()[0] == f"The name again is used: {said}."


_NEEDED = max(map(largest_event_bytes, (Topic.BINDINGS, Topic.DEAD_LETTERS)))


@pytest.mark.parametrize(
    ("found", "said"),
    (
        (_found(cleanup_policy="compact,delete"), "other is compacted: it would lose"),
        (_found(partitions=4), "other has 4 partitions, not 3."),
        (
            _found(max_message_bytes=str(_NEEDED - 1)),
            f"at most {_NEEDED - 1} bytes, and what is replayed may have {_NEEDED}: ",
        ),
    ),
)
async def test_topics_that_are_not_fit(found: FoundTopic, said: str) -> None:
    with pytest.raises(ReplayRefused, match=said):
        await refuse_unfit(_SETTINGS, "other", found, 3, (Topic.BINDINGS, Topic.DEAD_LETTERS))


async def test_a_topic_of_too_many_partitions() -> None:
    with pytest.raises(ReplayRefused, match="other takes messages of at most 1 bytes"):
        await refuse_unfit(
            _SETTINGS, "other", _found(partitions=MOST_PARTITIONS, max_message_bytes="1"), None, (Topic.BINDINGS,)
        )
    with pytest.raises(ReplayRefused, match=f"other has {MOST_PARTITIONS + 1} partitions; a replay has at most"):
        await refuse_unfit(_SETTINGS, "other", _found(partitions=MOST_PARTITIONS + 1), None, (Topic.BINDINGS,))


@pytest.mark.parametrize("topic", [plan.topic for plan in TOPIC_PLANS])
async def test_topics_of_whopays_are_refused(topic: Topic) -> None:
    with pytest.raises(ReplayRefused, match="is one of whopays' own topics"):
        await refuse_unfit(_SETTINGS, f"t.{topic}", None, None, (Topic.BINDINGS,))
    await refuse_unfit(_SETTINGS, str(topic), None, None, (Topic.BINDINGS,))
