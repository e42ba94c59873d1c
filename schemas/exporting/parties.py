"""The channels: each topic's purpose, its senders and its receivers (docs/contract.md section 1)."""

from schemas.exporting.catalogue import MESSAGES, REPLAYS, Kind, Message
from schemas.immutable import dataclass
from schemas.topics import INPUT_TOPICS, TOPIC_PLANS, Topic, TopicPlan

_PLANS: dict[str, TopicPlan] = {plan.topic: plan for plan in TOPIC_PLANS}

_REPLAYS_KEPT = {"cleanup.policy": "delete", "retention.ms": str(7 * 86_400_000)}


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic, without prefix, and the descriptions of its senders and receivers."""

    topic: str
    description: str
    sent_by: str
    received_by: str

    @property
    def name(self) -> str:
        """The channel's name where braces are not allowed: its topic without the variable part."""
        return self.topic.removesuffix(".{name}")

    @property
    def is_read(self) -> bool:
        """Whether whopays reads it."""
        return self.topic in INPUT_TOPICS

    @property
    def settings(self) -> dict[str, str]:
        """The topic's broker settings."""
        plan = _PLANS.get(self.topic)
        return _REPLAYS_KEPT if plan is None else plan.settings

    @property
    def is_single_partition(self) -> bool:
        """Whether it has only one partition."""
        plan = _PLANS.get(self.topic)
        return plan is not None and plan.single_partition

    def messages(self) -> list[Message]:
        """Return the messages on the topic; for the topic of a replay, all published ones and its markers."""
        is_replay = self.topic == REPLAYS
        return [
            message
            for message in MESSAGES.values()
            if message.topic == self.topic or (is_replay and not message.is_read and message.kind is not Kind.MARKER)
        ]


CHANNELS = (
    Channel(
        Topic.PROJECTS,
        "What the resource manager says of projects. In structured or in binary mode.",
        "the resource manager",
        "whopays",
    ),
    Channel(
        Topic.PAYMENT_PROFILES,
        "What payments says of payment profiles. In structured or in binary mode.",
        "payments",
        "whopays",
    ),
    Channel(
        Topic.ADMIN_COMMANDS,
        "Commands, each of which has one final result. In structured or in binary mode.",
        "whoever may command: portals, operators, invoicing, payments",
        "whopays",
    ),
    Channel(
        Topic.BINDINGS,
        "Who pays for every project: changes for a week, the current payer for ever (compacted).",
        "whopays",
        "usage pipelines, invoicing, portals",
    ),
    Channel(
        Topic.ACCOUNTS,
        "Accounts and their phases: changes for a week, the last state for ever (compacted).",
        "whopays",
        "invoicing, payments, portals",
    ),
    Channel(
        Topic.NOTICES,
        "What a project is told of its payer: 30 days.",
        "whopays",
        "the resource manager, whoever writes to people",
    ),
    Channel(
        Topic.COMMAND_RESULTS,
        "The result of every command: 7 days.",
        "whopays",
        "whoever sent a command",
    ),
    Channel(
        Topic.DEAD_LETTERS,
        "What could not be answered: 30 days.",
        "whopays",
        "operators, and senders whose records are among them",
    ),
    Channel(
        Topic.WATERMARKS,
        "How far in time readers of `bindings` are complete; the last one counts (compacted).",
        "whopays",
        "usage pipelines, invoicing",
    ),
    Channel(
        REPLAYS,
        "What a replay says again, byte for byte, and at the end of each partition its marker: 7 days.",
        "whopays",
        "whoever asked for the replay",
    ),
)
"""Every topic that other systems send to or receive from."""
