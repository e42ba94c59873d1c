"""What is said of topics that are not as they were: another cluster, another name, created again, more partitions."""

from dataclasses import replace
from uuid import UUID

import pytest

from db.known_topics import KnownTopic
from workers.topics.admission import changed

_ID, _OTHER = UUID(int=1), UUID(int=2)
_WAS = KnownTopic("projects", "a.projects", "one", _ID, 12)
_EVENTS = replace(_WAS, topic="accounts", name="a.accounts")


def _said(was: KnownTopic | None, found: KnownTopic) -> list[str]:
    before = {} if was is None else {was.topic: was}
    return list(changed(before, {found.topic: found}))


@pytest.mark.parametrize("was", (None, _WAS))
def test_nothing_changed(was: KnownTopic | None) -> None:
    assert _said(was, _WAS) == []


@pytest.mark.parametrize(
    ("found", "said"),
    (
        (replace(_WAS, name="b.projects"), ["projects is b.projects, and was a.projects"]),
        (replace(_WAS, name="b.projects", topic_id=_OTHER), ["projects is b.projects, and was a.projects"]),
        (replace(_WAS, topic_id=None), []),
        (replace(_WAS, cluster=None), []),
        (replace(_WAS, cluster="two"), ["they are on the Kafka cluster two, and were on one"]),
        (replace(_WAS, cluster="two", topic_id=_OTHER), ["they are on the Kafka cluster two, and were on one"]),
        (
            replace(_WAS, topic_id=_OTHER),
            [f"a.projects was deleted and re-created: its id is {_OTHER}, and was {_ID}"],
        ),
    ),
)
def test_what_is_said_of_a_topic_that_is_another_one(found: KnownTopic, said: list[str]) -> None:
    assert _said(_WAS, found) == said


def test_what_was_not_reported_is_no_change() -> None:
    assert _said(replace(_WAS, cluster=None, topic_id=None), _WAS) == []


@pytest.mark.parametrize(("was", "keys"), ((_WAS, "commands and facts"), (_EVENTS, "events")))
@pytest.mark.parametrize("partitions", (11, 13))
def test_other_numbers_of_partitions(was: KnownTopic, keys: str, partitions: int) -> None:
    [said] = _said(was, replace(was, partitions=partitions))
    assert said.startswith(f"{was.name} has {partitions} partitions, and had 12: {keys} of one key go to another")
