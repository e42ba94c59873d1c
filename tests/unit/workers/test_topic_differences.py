"""Topics that are not as `whopays topics create` makes them: what differs, what that breaks, and what to do."""

from dataclasses import replace

import pytest

from schemas.topics import STAMPED, TOPIC_PLANS, Topic
from workers.runtime.settings import Settings
from workers.topics.cluster import Cluster, FoundTopic
from workers.topics.plan import Difference, differences, topic_names

_SETTINGS = Settings(topic_prefix="b.", auth="trusted", kafka_bootstrap_servers="kafka:1")
_DAY_MS = 24 * 3600 * 1000
_LARGEST = str(1024 * 1024)


def _found() -> dict[Topic, FoundTopic]:
    """Return the topics as they are made."""
    return {
        plan.topic: FoundTopic(None, 1 if plan.single_partition else _SETTINGS.topic_partitions, 1, plan.settings)
        for plan in TOPIC_PLANS
    }


def _told(found: dict[Topic, FoundTopic], settings: Settings = _SETTINGS) -> list[Difference]:
    return differences(Cluster("c", {settings.topic(topic): one for topic, one in found.items()}), settings)


def _with(topic: Topic, said: dict[str, str], replicas: int = 1) -> list[tuple[str, str, str, str | None]]:
    """Return what is told of a topic with other settings."""
    found = _found()
    other = {name.replace("_", "."): value for name, value in said.items()}
    found[topic] = replace(found[topic], replicas=replicas, settings={**found[topic].settings, **other})
    told = _told(found)
    for one in told:
        assert one.topic == f"b.{topic}"
        assert one.remedy == (
            "run: kafka-configs.sh --bootstrap-server kafka:1 --alter --entity-type topics "
            f"--entity-name b.{topic} --add-config {one.what}={one.wanted}"
        )
    return [(one.what, one.found, one.wanted, one.breaks) for one in told]


def test_what_is_as_it_is_made_does_not_differ() -> None:
    assert _told(_found()) == []
    assert topic_names(_SETTINGS) == [f"b.{topic}" for topic in Topic]


@pytest.mark.parametrize("topic", Topic)
def test_a_topic_that_is_missing(topic: Topic) -> None:
    found = _found()
    del found[topic]
    assert _told(found) == [
        Difference(
            f"b.{topic}", "topic", "missing", "present", "run: whopays topics create",
            "nothing can be read from it or published to it",
        )
    ]  # fmt: skip


@pytest.mark.parametrize("plan", TOPIC_PLANS, ids=lambda plan: plan.topic)
@pytest.mark.parametrize("more", (-1, 1))
def test_other_numbers_of_partitions(plan: object, more: int) -> None:
    (of,) = (one for one in TOPIC_PLANS if one is plan)
    found = _found()
    count = found[of.topic].partitions + more
    found[of.topic] = replace(found[of.topic], partitions=count)
    (told,) = _told(found)
    assert (told.topic, told.what, told.found) == (f"b.{of.topic}", "partitions", str(count))
    if of.single_partition:
        assert (told.wanted, told.breaks) == ("1", "of several partitions only one would be read")
        assert told.remedy.startswith("stop the relay and re-create the topic")
        return
    assert (told.wanted, told.breaks) == ("12", None)
    kept = f"set WHOPAYS_TOPIC_PARTITIONS={count}"
    assert told.remedy.startswith(f"{kept}: partitions are never taken away" if more > 0 else f"{kept}, or stop all")


@pytest.mark.parametrize(
    ("topic", "said", "told"),
    (
        (Topic.BINDINGS, {"cleanup_policy": "delete"}, ("compact", "the last state of keys that rarely change")),
        (Topic.NOTICES, {"cleanup_policy": "compact"}, ("delete", "a record would remove those before it")),
        (Topic.NOTICES, {"retention_ms": str(30 * _DAY_MS - 1)}, (str(30 * _DAY_MS), "kept for a shorter time")),
        (Topic.NOTICES, {"retention_ms": str(30 * _DAY_MS + 1)}, (str(30 * _DAY_MS), None)),
        (Topic.NOTICES, {"retention_ms": "-1"}, (str(30 * _DAY_MS), None)),
        (Topic.ACCOUNTS, {"min_compaction_lag_ms": "0"}, (str(7 * _DAY_MS), "before the week that was promised")),
        (Topic.BINDINGS, {"max_message_bytes": str(1024 * 1024 - 1)}, (_LARGEST, "would hold up all that come after")),
        (Topic.PROJECTS, {"cleanup_policy": "compact"}, ("delete", "records that nobody has read yet")),
        (Topic.PROJECTS, {"cleanup_policy": "compact,delete"}, ("delete", "records that nobody has read yet")),
        (Topic.PROJECTS, {"retention_ms": str(_DAY_MS - 1)}, (str(7 * _DAY_MS), None)),
    ),
)
def test_settings_that_do_not_suffice(topic: Topic, said: dict[str, str], told: tuple[str, str | None]) -> None:
    wanted, words = told
    ((what, found, suffices, breaks),) = _with(topic, said)
    assert {what.replace(".", "_"): found} == said
    assert suffices == wanted
    assert breaks == words if words is None else words in (breaks or "")


@pytest.mark.parametrize(
    ("topic", "said"),
    (
        (Topic.PROJECTS, {"retention_ms": str(_DAY_MS)}),
        (Topic.PROJECTS, {"retention_ms": "-1"}),
        (Topic.PROJECTS, {"cleanup_policy": "delete"}),
        (Topic.PROJECTS, {"max_message_bytes": "1"}),
        (Topic.BINDINGS, {"max_message_bytes": _LARGEST}),
        (Topic.BINDINGS, {"retention_ms": "1"}),
        (Topic.BINDINGS, {"unclean_leader_election_enable": "true"}),
        (Topic.BINDINGS, {"min_insync_replicas": "1"}),
    ),
)
def test_settings_that_are_the_operators(topic: Topic, said: dict[str, str]) -> None:
    assert _with(topic, said) == []


@pytest.mark.parametrize(
    ("replicas", "in_sync", "wanted", "words"),
    (
        (1, "1", None, ""),
        (2, "1", None, ""),
        (3, "1", "2", "with a single broker"),
        (3, "2", None, ""),
        (3, "3", None, ""),
        (3, "4", "2", "no record would ever be acknowledged"),
        (1, "2", "1", "no record would ever be acknowledged"),
        (2, "3", "1", "no record would ever be acknowledged"),
    ),
)
def test_replicas_in_sync(replicas: int, in_sync: str, wanted: str | None, words: str) -> None:
    told = _with(Topic.BINDINGS, {"min_insync_replicas": in_sync}, replicas)
    assert [(what, suffices) for what, _, suffices, _ in told] == ([("min.insync.replicas", wanted)] if wanted else [])
    assert all(words in (breaks or "") for *_, breaks in told)


def test_leaders_that_fell_behind_matter_where_there_are_others() -> None:
    ((what, _, wanted, breaks),) = _with(Topic.BINDINGS, {"unclean_leader_election_enable": "true"}, 2)
    assert (what, wanted, breaks) == (
        "unclean.leader.election.enable", "false", "records that were acknowledged could be taken back"
    )  # fmt: skip
    assert _with(Topic.BINDINGS, {"unclean_leader_election_enable": "false"}, 2) == []


def test_where_tokens_are_checked_the_broker_stamps_commands() -> None:
    checking = _SETTINGS.model_copy(update={"auth": "jwt"})
    (told,) = _told(_found(), checking)
    assert (told.topic, {told.what: told.wanted}, told.found) == ("b.admin-commands", STAMPED, "unknown")
    assert told.breaks is not None
    found = _found()
    found[Topic.ADMIN_COMMANDS] = replace(found[Topic.ADMIN_COMMANDS], settings=STAMPED)
    assert _told(found, checking) == []
