"""The topics (docs/contract.md section 1): names without the configured prefix, direction, and broker settings."""

from dataclasses import field
from enum import StrEnum

from schemas.immutable import dataclass

_DAY_MS = 86_400_000
_LARGEST_EVENT_BYTES = 8 * 1024 * 1024
_KEPT = {"cleanup.policy": "compact", "min.compaction.lag.ms": str(7 * _DAY_MS)}
# Small segments, since only closed ones are compacted and readers of positions start from the beginning.
_POSITIONS = {
    "cleanup.policy": "compact",
    "segment.bytes": str(16 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.1",
}


class Topic(StrEnum):
    """Name of a topic without its prefix."""

    PROJECTS = "projects"
    PAYMENT_PROFILES = "payment-profiles"
    ADMIN_COMMANDS = "admin-commands"
    BINDINGS = "bindings"
    ACCOUNTS = "accounts"
    NOTICES = "notices"
    COMMAND_RESULTS = "command-results"
    DEAD_LETTERS = "dead-letters"
    WATERMARKS = "watermarks"
    RELAY_POSITIONS = "relay-positions"
    REPLAY_POSITIONS = "replay-positions"


STAMPED = {"message.timestamp.type": "LogAppendTime"}
"""Broker settings of the command topic if tokens are checked: the broker sets the timestamp, not the sender."""

INPUT_TOPICS = (Topic.PROJECTS, Topic.PAYMENT_PROFILES, Topic.ADMIN_COMMANDS)
OUTPUT_TOPICS = (Topic.BINDINGS, Topic.ACCOUNTS, Topic.NOTICES, Topic.COMMAND_RESULTS, Topic.DEAD_LETTERS)
"""The topics that the log is published on; control records, such as watermarks, have their own topics."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """How a topic is created: with a single partition if one reader reads all of it, and the broker's `settings`."""

    topic: Topic
    single_partition: bool = False
    settings: dict[str, str] = field(default_factory=dict)


def _kept_for(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS)}


TOPIC_PLANS = (
    TopicPlan(Topic.PROJECTS),
    TopicPlan(Topic.PAYMENT_PROFILES),
    TopicPlan(Topic.ADMIN_COMMANDS),
    TopicPlan(Topic.BINDINGS, settings=_KEPT),
    TopicPlan(Topic.ACCOUNTS, settings=_KEPT),
    TopicPlan(Topic.NOTICES, settings=_kept_for(30)),
    TopicPlan(Topic.COMMAND_RESULTS, settings=_kept_for(7)),
    # A dead letter repeats its record's key, headers and value in base64: more than the record itself.
    TopicPlan(Topic.DEAD_LETTERS, settings=_kept_for(30) | {"max.message.bytes": str(_LARGEST_EVENT_BYTES)}),
    TopicPlan(
        Topic.WATERMARKS,
        single_partition=True,
        # Only the last record counts: segments as small as Kafka allows, cleaned at once, transaction markers too.
        settings={
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": "0",
            "segment.bytes": str(1024 * 1024),
            "min.cleanable.dirty.ratio": "0.01",
            "delete.retention.ms": "60000",
        },
    ),
    TopicPlan(Topic.RELAY_POSITIONS, single_partition=True, settings=_POSITIONS),
    TopicPlan(Topic.REPLAY_POSITIONS, single_partition=True, settings=_POSITIONS),
)
"""All topics in the order of the contract's table, except those of replays, which are created individually."""

MOST_PARTITIONS = 2_000
"""How many partitions the topic of a replay can have: the progress of all must fit into one record."""

MOST_REPLAYED_A_SECOND = 2**31 - 1
"""The highest rate limit of a replay, in events a second: the largest value of its column."""


def replay_topic(name: str) -> str:
    """Return the topic, without prefix, that a replay writes to by default."""
    return f"replay.{name}"


def replay_target_settings(largest_message_bytes: int) -> dict[str, str]:
    """Return the broker settings of a replay's topic, given the size of the largest message in bytes."""
    return _kept_for(7) | {"max.message.bytes": str(largest_message_bytes)}
