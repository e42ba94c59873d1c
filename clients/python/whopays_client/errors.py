"""The errors of this library, as a tree.

    WhopaysError
    ├── NotSent                 nothing was written: it can safely be sent again
    │   ├── TopicMissing        the broker has no such topic, or does not show it to this client
    │   └── TooLarge            the message has more bytes than whopays reads
    ├── NotAllowed              the broker does not let this client write to, or read, a topic
    ├── NotAcknowledged         the broker has not acknowledged a fact: reporting it again is harmless
    ├── NotAnswered             a command has no (final) result yet, and may have been carried out: keeps its id
    ├── Rejected                a command was rejected, and `Answer.expect` was called; keeps the violations
    ├── Malformed               a record is not an event of whopays
    ├── SequenceGap             changes of one subject are missing; says what to do
    ├── NotKnownYet             an instant is after the watermark
    ├── HistoryMissing          an instant is before what this consumer has ever read, or within a gap
    ├── ReplayRefused           whopays did not accept a replay, or it failed
    ├── ReplayUnfinished        a replay has no markers yet
    └── ReplayDamaged           a replay's records do not match its markers
        └── DigestMismatch      … by their digest

Besides these, `aiokafka.errors.KafkaError` is raised when the broker refuses a request or cannot be reached,
`pydantic.ValidationError` when a malformed message is created, and errors of the store's driver pass through.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whopays_client.results import CommandCompleted


class WhopaysError(Exception):
    """Base of all errors of this library."""


class NotSent(WhopaysError):
    """Nothing was written."""


class TopicMissing(NotSent):
    """`topic` (with its prefix) does not exist, or is not visible to this client."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"There is no topic {topic}: check the prefix, and this client's rights to describe topics.")
        self.topic = topic


class TooLarge(NotSent):
    """A message has `size` bytes, more than the `limit` that whopays reads."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"The message has {size} bytes, and whopays reads at most {limit}.")
        self.size = size
        self.limit = limit


class NotAllowed(WhopaysError):
    """The broker does not let this client write to, or read, `topic` (with its prefix)."""

    def __init__(self, topic: str, what: str) -> None:
        super().__init__(
            f"The broker does not let this client {what} {topic}: its operator grants the rights "
            "(whopays kafka-acls prints them)."
        )
        self.topic = topic


class NotAcknowledged(WhopaysError):
    """The broker has not acknowledged a fact in time. Reporting it again is harmless, because its version counts."""

    def __init__(self, topic: str, fact_id: str, waited_seconds: float) -> None:
        super().__init__(f"The broker has not acknowledged fact {fact_id} on {topic} after {waited_seconds:g} s.")
        self.topic = topic
        self.fact_id = fact_id
        self.waited_seconds = waited_seconds


class NotAnswered(WhopaysError):
    """A command has no result in time; it may have been carried out, or may still be.

    Send the same command again under the same id (`publisher.send(command, id=error.command_id)`): it takes effect
    once, and its result is published again. `is_written`: whether the broker has acknowledged it. `interim`: the
    interim result, if one arrived and only the final one is missing.
    """

    def __init__(
        self,
        organization: str,
        source: str,
        command_id: str,
        waited_seconds: float,
        *,
        is_written: bool,
        interim: "CommandCompleted | None" = None,
    ) -> None:
        what = f"it is {interim.outcome}, without a final result" if interim else "it has no result"
        written = "" if is_written else ", and the broker has not acknowledged it"
        super().__init__(
            f"Command {command_id} of {source} for {organization}: {what} after {waited_seconds:g} s{written}. "
            "It may have been carried out: send the same command under the same id to get its result."
        )
        self.organization = organization
        self.source = source
        self.command_id = command_id
        self.waited_seconds = waited_seconds
        self.is_written = is_written
        self.interim = interim


class Rejected(WhopaysError):
    """A command was rejected. `completed` is its result, with every rule that it breaks."""

    def __init__(self, completed: "CommandCompleted") -> None:
        rules = "; ".join(f"{one.reason}: {one.message}" for one in completed.violations)
        super().__init__(f"Command {completed.command_id} of {completed.command_source} was rejected: {rules}")
        self.completed = completed

    @property
    def is_retryable(self) -> bool:
        """Whether the same content may succeed later, under a new id."""
        return bool(self.completed.violations) and all(one.retryable for one in self.completed.violations)


class Malformed(WhopaysError):
    """The record at `place` (topic/partition/offset) is not an event of whopays; `problem` says why."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"The record at {place} is not an event of whopays: {problem}")
        self.place = place
        self.problem = problem


class SequenceGap(WhopaysError):
    """The changes of `subject` after `last` and before `seen` are missing.

    `seen` is at `place` (topic/partition/offset), and was not applied.
    """

    def __init__(self, subject: str, last: int, seen: int, place: str, *, option: str = "--project") -> None:
        organization, _, name = subject.partition("/")
        super().__init__(
            f"{subject}: {seen - last - 1} changes after sequence {last} are missing; {seen} is at {place}. "
            "If the current state is enough, call `subscriber.refetch(error)`: it reads this subject from the topic "
            "again, and continues with the oldest change that still exists. If every change counts, have whopays "
            f"replay them (whopays replay start NAME --organization {organization} {option} {name}), and call "
            "`subscriber.fill(error, replay)`."
        )
        self.subject = subject
        self.last = last
        self.seen = seen
        self.place = place


class NotKnownYet(WhopaysError):
    """`at` is after `closed_until`, up to which all changes are known (None: no watermark was read yet)."""

    def __init__(self, at: datetime, closed_until: datetime | None) -> None:
        known = "nothing is known yet" if closed_until is None else f"known up to {closed_until.isoformat()}"
        super().__init__(f"Who paid at {at.isoformat()} is not known yet: {known}.")
        self.at = at
        self.closed_until = closed_until


class HistoryMissing(WhopaysError):
    """The payer of `subject` (organization/project) at `at` was never read; a replay from before it would tell."""

    def __init__(self, subject: str, at: datetime) -> None:
        super().__init__(
            f"Who paid for {subject} at {at.isoformat()} is unknown: it is before, or between, the changes read. "
            "Build the timeline from a replay of type BindingChanged that reaches back far enough."
        )
        self.subject = subject
        self.at = at


class ReplayRefused(WhopaysError):
    """The command that was to start the replay `name` exited with `status` and printed `words`."""

    def __init__(self, name: str, status: int, words: str) -> None:
        super().__init__(f"The replay {name} was not started (status {status}): {words}")
        self.name = name
        self.status = status
        self.words = words


class ReplayUnfinished(WhopaysError):
    """The replay `name` has no marker on these `partitions` after the timeout."""

    def __init__(self, name: str, partitions: Sequence[int], waited_seconds: float) -> None:
        super().__init__(
            f"The replay {name} is not finished after {waited_seconds:g} s: partitions without a marker: "
            f"{', '.join(map(str, partitions)) or 'the topic itself is missing'}."
        )
        self.name = name
        self.partitions = tuple(partitions)


class ReplayDamaged(WhopaysError):
    """The records on `partition` of the replay `name` do not match its marker."""

    def __init__(self, name: str, partition: int, problem: str) -> None:
        super().__init__(f"The replay {name} is damaged on partition {partition}: {problem}")
        self.name = name
        self.partition = partition
        self.problem = problem


class DigestMismatch(ReplayDamaged):
    """The digest of a replay's records differs from the one in its marker."""
