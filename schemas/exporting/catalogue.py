"""Every message that is read or published: a message listed here is exported, documented and checked."""

from collections.abc import Iterator
from enum import StrEnum

from schemas.commands import COMMANDS
from schemas.events import AccountChanged, AccountPhaseChanged, BindingChanged, ProjectBillingNotice
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.immutable import dataclass
from schemas.message_types import type_of
from schemas.replays import ReplayCompleted
from schemas.results import CommandCompleted, DeadLetter
from schemas.topics import Topic
from schemas.watermarks import Watermark


class Kind(StrEnum):
    """The kinds of messages."""

    COMMAND = "command"
    FACT = "fact"
    EVENT = "event"
    RESULT = "result"
    DEAD_LETTER = "dead letter"
    MARKER = "marker"

    @property
    def with_article(self) -> str:
        """Its name as a sentence begins with it."""
        return f"{'An' if self is Kind.EVENT else 'A'} {self}"


@dataclass(frozen=True, slots=True)
class Message:
    """A type of message: the `model` of its data, and its `topic`, without prefix.

    `key`, `subject` and `event_id` are patterns of a published event's record key, subject and id.
    """

    model: type
    kind: Kind
    topic: str
    key: str = "{organization}"
    subject: str = ""
    has_sequence: bool = False
    event_id: str = "{shard}-{position}"

    @property
    def name(self) -> str:
        """The message's name, the middle of its `type`."""
        return self.model.__name__

    @property
    def type(self) -> str:
        """The `type` attribute, in full."""
        return type_of(self.name)

    @property
    def is_read(self) -> bool:
        """Whether whopays reads the message; otherwise it publishes it."""
        return self.kind in (Kind.COMMAND, Kind.FACT)


REPLAYS = "replay.{name}"
"""The default topic of a replay."""

_PROJECT = "{organization}/{project}"
_ACCOUNT = "{organization}/{account}"


def _messages() -> Iterator[Message]:
    for command in COMMANDS.values():
        yield Message(command, Kind.COMMAND, Topic.ADMIN_COMMANDS)
    yield Message(ProjectChanged, Kind.FACT, Topic.PROJECTS)
    yield Message(PaymentProfileChanged, Kind.FACT, Topic.PAYMENT_PROFILES)
    yield Message(CommandCompleted, Kind.RESULT, Topic.COMMAND_RESULTS, subject="{organization}")
    yield Message(BindingChanged, Kind.EVENT, Topic.BINDINGS, _PROJECT, _PROJECT, has_sequence=True)
    yield Message(AccountPhaseChanged, Kind.EVENT, Topic.ACCOUNTS, _ACCOUNT, _ACCOUNT, has_sequence=True)
    yield Message(AccountChanged, Kind.EVENT, Topic.ACCOUNTS, _ACCOUNT, _ACCOUNT, has_sequence=True)
    yield Message(ProjectBillingNotice, Kind.EVENT, Topic.NOTICES, _PROJECT, _PROJECT)
    watermark = "watermark-{closedUntil}"
    yield Message(Watermark, Kind.MARKER, Topic.WATERMARKS, Topic.BINDINGS, Topic.BINDINGS, event_id=watermark)
    completed = "replay-{replay}-{partition}"
    key = "_replay/{replay}/{partition}"
    yield Message(ReplayCompleted, Kind.MARKER, REPLAYS, key, "{replay}", event_id=completed)
    yield Message(
        DeadLetter, Kind.DEAD_LETTER, Topic.DEAD_LETTERS, "the bad record's own key", "{topic}/{partition}/{offset}"
    )


MESSAGES: dict[str, Message] = {message.name: message for message in _messages()}
"""Every message by its name; those that are read come first."""
