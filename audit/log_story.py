"""Reads the log of one shard row by row and checks it for gaps and contradictions.

It needs only the rows: the same code checks an exported log and one in the database.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from audit.claims import ClaimedIds, digest_of
from audit.findings import Finding, Promise
from db.log import PARTITION_POSITIONS, LogRow, row_hash
from db.shard_ranges import ShardRange, ShardRanges
from domain.identity import result_not_kept
from schemas.records import DeadLetterReason
from schemas.results import Outcome, Reason
from schemas.topics import OUTPUT_TOPICS, Topic

_INTERIM = (Outcome.SCHEDULED, Outcome.WAITING)
_CLAIMS_NO_ID = (Reason.UNAUTHENTICATED, Reason.FORBIDDEN, Reason.COMMAND_ID_REUSED)
_NOT_KEPT = result_not_kept().message
_OF_AN_ORGANIZATION = (DeadLetterReason.VERSION_CONFLICT, DeadLetterReason.HANDLER_FAULT, DeadLetterReason.TOO_LARGE)
_REPEATED = ("bindingId", "account", "establishedAt")
_CHANGES = {
    (False, True): "Bound",
    (True, True): "Superseded",
    (True, False): "Released",
}


@dataclass(slots=True)
class Payers:
    """A project's payers according to the log: the last one (None: nobody), and a digest of all since `first`."""

    sequence: int
    binding_id: str | None
    account: str | None
    established_at: str | None
    first: int
    digest: bytes


def extended(digest: bytes, number: int, binding_id: str | None, account: str | None, instant: str) -> bytes:
    """Return the digest of changes of payer (empty before the first) extended by one."""
    line = f"{number} {binding_id} {account} {instant}"
    return blake2b(digest + line.encode(), digest_size=16).digest()


def is_interim(result: Mapping[str, Any]) -> bool:
    """Return whether the command will get another result."""
    return result["outcome"] in _INTERIM


def is_of_claim(result: Mapping[str, Any]) -> bool:
    """Return whether a row of `inbox` may point to a result: not to a repeated one, or one that claims no id."""
    is_first = not result["dryRun"] and not result.get("repeated", False)
    return is_first and not any(
        violation["reason"] in _CLAIMS_NO_ID or violation["message"] == _NOT_KEPT for violation in result["violations"]
    )


def dead_record(place: str, timestamp: str, reason: str) -> str:
    """Describe a dead letter: its record's place and timestamp, and why it has no answer."""
    return f"{place} of {timestamp}: {reason}"


@dataclass(slots=True)
class Standing:
    """An account's last state according to the log."""

    sequence: int
    phase: str
    version: int | None

    def __str__(self) -> str:
        return f"sequence {self.sequence}, {self.phase}, version {self.version}"


class Story:
    """What the log of one shard has said so far. `is_whole` is False if the log no longer starts with its first row.

    For organizations that were in another shard before, it starts from the state that `Stories` hands over.
    """

    def __init__(self, shard: int, range_: ShardRange) -> None:
        self.shard = shard
        self.range = range_
        self.position = range_.begins_after
        self.hash = b""
        self.is_whole = True
        self.projects: dict[str, Payers] = {}
        self.accounts: dict[str, Standing] = {}
        self.unanswered: dict[tuple[str, str, str], int] = {}
        self.claimed = ClaimedIds()
        self.dead: dict[int, str] = {}

    def hear(self, row: LogRow) -> Iterator[Finding]:
        """Take in the next row; yield what is wrong with it."""
        place = f"shard {row.shard}, position {row.position}"
        yield from self._check_chain(row, place)
        try:
            event = orjson.loads(row.value)
            data = event["data"]
            yield from self._check_event(row, event, data, place)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            yield Finding(Promise.LOG, place, f"the row is not an event of whopays ({type(error).__name__})")

    def pass_over(self, position: int, hash_: bytes) -> None:
        """Continue after a position of which only the hash is known; the rows up to there are not read."""
        self.position, self.hash, self.is_whole = position, hash_, False
        for told in (self.projects, self.accounts, self.unanswered, self.dead):
            told.clear()

    def end(self, position: int, hash_: bytes, kept_from: int = 0) -> Iterator[Finding]:
        """Compare the end of the story with the head of the shard; rows before `kept_from` may be absent."""
        place = f"shard {self.shard}"
        if self.range.ends is not None and self.position == self.range.begins_after < position < kept_from:
            # A closed shard may be archived completely.
            self.is_whole = False
            return
        if self.position != position:
            yield Finding(Promise.LOG, place, f"the log ends at position {self.position}, its head says {position}")
        elif self.hash != hash_:
            yield Finding(Promise.LOG, place, f"the hash of the last row ({position}) is not that of the head")

    def _check_chain(self, row: LogRow, place: str) -> Iterator[Finding]:
        expected = self.position + 1
        follows = row.position == expected
        if not follows and self.position == self.range.begins_after and row.position % PARTITION_POSITIONS == 0:
            # Before the archive existed, partitions of old positions were detached by hand.
            self.is_whole = False
        elif not follows:
            missing = f"position {expected}" if row.position == expected + 1 else f"{expected} to {row.position - 1}"
            self.is_whole = False
            yield Finding(Promise.LOG, place, f"the log has a hole: {missing} is missing before it")
        elif row.hash != row_hash(self.hash, row.topic, row.key, row.value, row.asked):
            yield Finding(Promise.LOG, place, "its hash does not match the row before and its own content")
        self.position, self.hash = row.position, row.hash

    def _check_event(self, row: LogRow, event: dict[str, Any], data: dict[str, Any], place: str) -> Iterator[Finding]:
        if event["id"] != f"{row.shard}-{row.position}":
            yield Finding(Promise.LOG, place, f"the event has the id {event['id']}")
        if row.topic not in OUTPUT_TOPICS:
            yield Finding(Promise.LOG, place, f"the log is not published on {row.topic}")
        boundary = data.get("organization") or "/".join(event["subject"].split("/")[:2])
        # A readable record belongs to an organization, although its dead letter does not repeat the name.
        is_of_somebody = row.topic == Topic.DEAD_LETTERS and data["reason"] in _OF_AN_ORGANIZATION
        if not is_of_somebody and self.range.shard_of(boundary) != row.shard:
            yield Finding(Promise.LOG, place, f"{boundary} belongs to another shard")
        if row.topic == Topic.BINDINGS:
            yield from self._check_binding(event, data, place)
        elif row.topic == Topic.ACCOUNTS:
            yield from self._check_account(event, data, place)
        elif row.topic == Topic.COMMAND_RESULTS and is_of_claim(data):
            self._take_in_result(row, data)
        elif row.topic == Topic.DEAD_LETTERS:
            self.dead[row.position] = dead_record(event["subject"], data["timestamp"], data["reason"])

    def _check_binding(self, event: dict[str, Any], data: dict[str, Any], place: str) -> Iterator[Finding]:
        subject, current, previous = event["subject"], data["current"], data["previous"]
        known = self.projects.get(subject)
        sequence = int(event["sequence"])
        yield from self._check_sequence(subject, known.sequence if known else None, sequence, place)
        if known is not None or self.is_whole:
            left = (known.binding_id, known.account, known.established_at) if known else (None, None, None)
            taken = tuple(previous[name] for name in _REPEATED) if previous else (None, None, None)
            if taken != left:
                yield Finding(
                    Promise.PAYERS, place, f"{subject}: the previous payer was {left[1]}, the event says {taken[1]}"
                )
        if data["change"] != _CHANGES.get((previous is not None, current is not None)):
            yield Finding(Promise.PAYERS, place, f"{subject}: the change must not be called {data['change']}")
        if previous and current and previous["endedAt"] != current["establishedAt"]:
            yield Finding(Promise.PAYERS, place, f"{subject}: the previous payer's end is not the next one's start")
        now = [current[name] for name in _REPEATED] if current else [None, None, None]
        instant = current["establishedAt"] if current else previous["endedAt"] if previous else ""
        digest = extended(known.digest if known else b"", sequence, now[0], now[1], instant)
        self.projects[subject] = Payers(sequence, now[0], now[1], now[2], known.first if known else sequence, digest)

    def _check_account(self, event: dict[str, Any], data: dict[str, Any], place: str) -> Iterator[Finding]:
        subject, sequence, phase = event["subject"], int(event["sequence"]), data["phase"]
        known = self.accounts.get(subject)
        yield from self._check_sequence(subject, known.sequence if known else None, sequence, place)
        version = known.version if known else 0 if self.is_whole else None
        if "previousPhase" in data:
            if (known is not None or self.is_whole) and data["previousPhase"] != (known.phase if known else None):
                yield Finding(Promise.PHASES, place, f"{subject}: {data['previousPhase']} was not the previous phase")
        else:
            last, version = version, data["version"]
            if known is not None and phase != known.phase:
                yield Finding(Promise.PHASES, place, f"{subject}: {phase} without having entered it from {known.phase}")
            if last is not None and version != last + 1:
                yield Finding(Promise.PHASES, place, f"{subject}: version {version} follows version {last}")
        self.accounts[subject] = Standing(sequence, phase, version)

    def _take_in_result(self, row: LogRow, data: dict[str, Any]) -> None:
        command = (data["organization"], data["commandSource"], data["commandId"])
        if command not in self.unanswered:
            self.claimed.add(digest_of(command))
        if is_interim(data):
            self.unanswered[command] = row.position
        else:
            self.unanswered.pop(command, None)

    def _check_sequence(self, subject: str, last: int | None, sequence: int, place: str) -> Iterator[Finding]:
        expected = last + 1 if last is not None else 1 if self.is_whole else sequence
        if sequence != expected:
            yield Finding(Promise.SEQUENCES, place, f"{subject}: sequence {sequence} instead of {expected}")


class Stories:
    """The stories of all shards, to be requested in ascending order: a closed shard's continues in those after it.

    The subjects of all closed shards are held in memory at once, not just those of one shard.
    """

    def __init__(self, ranges: ShardRanges) -> None:
        self._ranges = ranges
        self._begun: dict[int, Story] = {}

    def of(self, shard: int) -> Story:
        """Return the story of a shard. Raises LookupError if there is no such shard."""
        story = self._begun.get(shard)
        if story is None:
            story = self._begun[shard] = Story(shard, self._ranges.of(shard))
        return story

    def done(self, story: Story) -> None:
        """Hand a finished shard's final state over to the shards after it."""
        self._begun.pop(story.shard, None)
        if story.range.ends is None:
            return
        following = self._ranges.following(story.range)
        if not story.is_whole:
            for shard in following.numbers:
                self.of(shard).is_whole = False
        for subject, payers in story.projects.items():
            self.of(following.shard_of(_organization(subject))).projects[subject] = payers
        for subject, standing in story.accounts.items():
            self.of(following.shard_of(_organization(subject))).accounts[subject] = standing
        for command, position in story.unanswered.items():
            self.of(following.shard_of(command[0])).unanswered[command] = position


def organization_of(key: bytes | None) -> str:
    """Return the organization that a record key begins with."""
    return (key or b"").partition(b"/")[0].decode()


def _organization(subject: str) -> str:
    return subject.partition("/")[0]
