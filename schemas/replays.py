"""Replays (docs/contract.md section 10): the selection, the marker at the end of each partition, the manifest."""

import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from schemas.envelope import SPECVERSION
from schemas.events import AccountChanged, AccountPhaseChanged, BindingChanged, Event, ProjectBillingNotice, Said
from schemas.identifiers import is_identifier
from schemas.immutable import dataclass
from schemas.instants import format_instant, parse_instant
from schemas.message_types import type_of
from schemas.results import CommandCompleted, DeadLetter
from schemas.scalars import Instant, Wire

NAME_RULE = "1 to 64 characters a-z, 0-9 or '-', beginning and ending with a letter or digit"
CONTROL_TYPES = ("Watermark", "ReplayCompleted")

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_EVENT_ID = re.compile(r"(0|[1-9][0-9]{0,3})-(0|[1-9][0-9]{0,17})")
_TYPES: dict[str, type[Event]] = {
    type_of(event.name()): event
    for event in (
        BindingChanged, AccountPhaseChanged, AccountChanged, ProjectBillingNotice, CommandCompleted, DeadLetter,
    )
}  # fmt: skip
_DEAD_LETTER = type_of(DeadLetter.name())
_OF_PROJECTS = {type_of(event.name()) for event in (BindingChanged, ProjectBillingNotice)}
_OF_ACCOUNTS = _OF_PROJECTS | {type_of(event.name()) for event in (AccountPhaseChanged, AccountChanged)}
_OF_SUBJECTS = {type_of(event.name()) for event in (BindingChanged, AccountPhaseChanged, AccountChanged)}

_Absent = Field(default=None, exclude_if=lambda value: value is None)


class BadSelection(ValueError):
    """A selection that is invalid by itself, or can match nothing; the message names everything wrong with it."""


class ReplayState(StrEnum):
    """The states of a replay."""

    RUNNING = "Running"
    STOPPED = "Stopped"
    FAILED = "Failed"
    DONE = "Done"


class Selection(Wire):
    """What is replayed: all conditions hold together, and an absent one leaves out nothing.

    Equal selections mean the same: types are in full, sorted, and absent where they leave nothing out.
    """

    organization: Annotated[str | None, _Absent] = None
    project: Annotated[str | None, _Absent] = None
    account: Annotated[str | None, _Absent] = None
    type: Annotated[tuple[str, ...] | None, _Absent] = None
    from_: Annotated[Instant | None, Field(alias="from", exclude_if=lambda value: value is None)] = None
    until: Annotated[Instant | None, _Absent] = None
    after: Annotated[tuple[str, ...] | None, _Absent] = None
    latest: Annotated[bool, Field(exclude_if=lambda value: not value)] = False

    @property
    def types(self) -> frozenset[str]:
        """The types that can match, in full."""
        return frozenset(self.type) if self.type is not None else _possible(self)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics, without prefix, on which events of these types are published."""
        return tuple(sorted({str(_TYPES[one].topic) for one in self.types}))

    @property
    def places(self) -> dict[int, int]:
        """The position after which each shard named in `after` is read."""
        return dict(_place(one) for one in self.after or ())

    def document(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return self.model_dump(mode="json")

    @classmethod
    def of_document(cls, document: Any) -> "Selection":
        """Return a selection as `document` gave it."""
        return cls.model_validate_json(orjson.dumps(document))


def selection_of(
    *,
    organization: str | None = None,
    project: str | None = None,
    account: str | None = None,
    types: Iterable[str] = (),
    from_: str | None = None,
    until: str | None = None,
    after: Sequence[str] = (),
    latest: bool = False,
) -> Selection:
    """Return the selection for the given options. Raise BadSelection, naming everything wrong with them."""
    troubles: list[str] = []
    for option, name in (("organization", organization), ("project", project), ("account", account)):
        if name is not None and not is_identifier(name):
            troubles.append(f"--{option}: {name!r} cannot be a name")
    if organization is None:
        troubles += [
            f"--{option} is only selected together with --organization"
            for option, name in (("project", project), ("account", account))
            if name is not None
        ]
    instants = {}
    for option, text in (("from", from_), ("until", until)):
        try:
            instants[option] = None if text is None else parse_instant(text)
        except ValueError as error:
            troubles.append(f"--{option}: {text!r} is {error}; write it as 2027-01-31T12:00:00Z")
    begin, end = instants.get("from"), instants.get("until")
    if begin is not None and end is not None and begin >= end:
        troubles.append("--from is not before --until")
    known = sorted({full for text in types if (full := _full_type(text, troubles))})
    ids = sorted(_read_ids(after, troubles).items())
    if latest and (from_ is not None or after):
        troubles.append("--latest goes with neither --from nor --after: it takes the last event of each subject")
    if organization is not None and _DEAD_LETTER in known:
        troubles.append("--type: DeadLetter is selected without --organization: dead letters belong to none")
    if not troubles:
        whole = Selection(
            organization=organization, project=project, account=account, from_=begin, until=end, latest=latest,
            after=tuple(f"{shard}-{position}" for shard, position in ids) or None,
        )  # fmt: skip
        if known and not (matching := _possible(whole, known)):
            troubles.append(f"--type: none of {', '.join(map(_short, known))} can match what else is selected")
        elif known and matching != _possible(whole):
            whole = whole.model_copy(update={"type": tuple(sorted(matching))})
        if not troubles:
            return whole
    raise BadSelection("\n".join(troubles))


def is_replay_name(name: str) -> bool:
    """Return whether this is a valid name of a replay."""
    return _NAME.fullmatch(name) is not None


def type_in(value: bytes) -> str:
    """Return the `type` attribute of a rendered event (schemas/outgoing.py), without parsing all of it."""
    begin = value.index(_TYPE) + len(_TYPE)
    return value[begin : value.index(b'"', begin)].decode()


def _possible(selection: Selection, types: Iterable[str] | None = None) -> frozenset[str]:
    """Return the given types, or else those selected by default, that can match the other conditions."""
    found = set(_TYPES) - {_DEAD_LETTER} if types is None else set(types)
    if selection.organization is not None:
        found -= {_DEAD_LETTER}
    if selection.account is not None:
        found &= _OF_ACCOUNTS
    if selection.project is not None:
        found &= _OF_PROJECTS
    if selection.latest:
        found &= _OF_SUBJECTS
    return frozenset(found)


def _full_type(type_: str, troubles: list[str]) -> str | None:
    for full, event in _TYPES.items():
        if type_ in (full, event.name()):
            return full
    if type_ in {*CONTROL_TYPES, *map(type_of, CONTROL_TYPES)}:
        troubles.append(f"--type: {type_} is a control record, which is not in the log")
    else:
        names = ", ".join(event.name() for event in _TYPES.values())
        troubles.append(f"--type: {type_!r} is not an event; the events are {names}")
    return None


def _short(full: str) -> str:
    return _TYPES[full].name()


def _read_ids(after: Sequence[str], troubles: list[str]) -> dict[int, int]:
    found: dict[int, int] = {}
    for id_ in after:
        if not _EVENT_ID.fullmatch(id_):
            troubles.append(f"--after: {id_!r} is not an event id; ids have the form SHARD-POSITION, such as 7-1203")
            continue
        shard, position = _place(id_)
        if shard in found:
            troubles.append(f"--after: {id_} is the second of shard {shard}; give one event per shard")
        found[shard] = position
    return found


def _place(event_id: str) -> tuple[int, int]:
    shard, _, position = event_id.partition("-")
    return int(shard), int(position)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCompleted(Said):
    """The last record of each partition of a replay's topic: how many records stand before it, and their digest."""

    replay: str
    partition: int
    records: int
    total_records: int
    digest: str
    first_id: str | None
    last_id: str | None
    selection: Selection
    until: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedPartition(Said):
    """The records of a partition of a replay's topic, before its marker."""

    partition: int
    records: int
    digest: str
    first_id: str | None
    last_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedShard(Said):
    """The first and the last position of a shard's log that a replay read; null if it yielded no record."""

    shard: int
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Said):
    """A replay and its result; it begins and finishes at instants of the work, not of the events.

    `target` is null for a dry run; `finishedAt` for one that is not done. `availableFrom` is the instant from which on
    everything selected is available; null if all of it is.
    """

    name: str
    state: ReplayState
    selection: Selection
    target: str | None
    until: Instant
    available_from: Instant | None
    begun_at: Instant
    finished_at: Instant | None
    records: int
    types: dict[str, int]
    partitions: tuple[ReplayedPartition, ...]
    shards: tuple[ReplayedShard, ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON types."""
        document: dict[str, Any] = orjson.loads(_MANIFEST.serializer.to_json(self))
        return document


def marker_key(name: str, partition: int) -> bytes:
    """Return the record key of the marker that ends a partition."""
    return f"_replay/{name}/{partition}".encode()


def marker_id(name: str, partition: int) -> str:
    """Return the event id of the marker that ends a partition."""
    return f"replay-{name}-{partition}"


def render_marker(marker: ReplayCompleted, source: str, time: Any) -> bytes:
    """Write a marker as a structured CloudEvent; `time` is the moment of writing."""
    return orjson.dumps(
        {
            "specversion": SPECVERSION,
            "id": marker_id(marker.replay, marker.partition),
            "source": source,
            "type": type_of(ReplayCompleted.__name__),
            "time": format_instant(time),
            "subject": marker.replay,
            "partitionkey": marker_key(marker.replay, marker.partition).decode(),
            "data": orjson.Fragment(_MARKER.serializer.to_json(marker)),
        }
    )


def read_manifest(document: Any) -> Manifest:
    """Parse a manifest. Raise ValueError if it is not one."""
    try:
        # orjson refuses integers beyond 64 bits.
        return _MANIFEST.validate_json(json.dumps(document))
    except ValidationError as error:
        raise ValueError("it is no manifest of a replay") from error


_TYPE = b'"type":"'
_MANIFEST = TypeAdapter(Manifest)
_MARKER = TypeAdapter(ReplayCompleted)
