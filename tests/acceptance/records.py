"""What was sent and what came out, as the runner stores it."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

from tests.acceptance.json_types import Json, to_json
from tests.acceptance.vocabulary import COMMAND_TOPIC, TOPIC_OF_FACT, short_type

Headers = tuple[tuple[str, bytes | None], ...]
Identity = tuple[str, str, str]
"""Organization, command id, command source."""


@dataclass(eq=False)
class Sent:
    """A record that was sent, or is about to be. `topic` is without the prefix; `partition` and `offset` are -1
    until the broker has acknowledged it."""

    label: str
    kind: Literal["send", "raw", "marker"]
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    type: str | None = None
    organization: Json = None
    id: Json = None
    source: Json = None
    data: Json = None
    attributes: dict[str, Json] = field(default_factory=dict)
    is_binary: bool = False
    expect: dict[str, Json] | None = None
    awaited: bool = False
    of_fixture: bool = False
    sent_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    partition: int = -1
    offset: int = -1

    @property
    def identity(self) -> Identity | None:
        """By which a result finds it; `None` for a raw record, and where a part is missing or no text."""
        parts = (self.organization, self.id, self.source)
        if self.kind == "raw" or not all(isinstance(part, str) for part in parts):
            return None
        return str(self.organization), str(self.id), str(self.source)

    @property
    def name(self) -> str:
        """The short name of its type, of whatever version."""
        return short_type(self.type or "")

    @property
    def is_dry_run(self) -> bool:
        return isinstance(self.data, dict) and self.data.get("dryRun") is True

    @property
    def asks_again(self) -> bool:
        """Whether it asks for the result of a command that was sent before."""
        return self.attributes.get("answer") == "again"

    @property
    def wants_result(self) -> bool:
        """Whether a first result is expected to come of it."""
        expect = self.expect or {}
        if expect.keys() & {"outcome", "violations", "fields", "attributes", "headers", "announces"} or self.awaited:
            return True
        is_command = self.kind != "raw" and self.topic == COMMAND_TOPIC and self.name not in TOPIC_OF_FACT
        return is_command and not self.has_no_result

    @property
    def has_no_result(self) -> bool:
        """Whether the case says that no result comes of it."""
        return bool((self.expect or {}).keys() & {"result", "dead_letter", "ignored", "quiet"})

    @property
    def expects_dead_letter(self) -> bool:
        return "dead_letter" in (self.expect or {})


@dataclass(frozen=True, eq=False)
class OutputRecord:
    """A record read from an output topic. `topic` is without the prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @cached_property
    def envelope(self) -> dict[str, Json]:
        """The CloudEvent in the value; empty when there is none to read."""
        try:
            value = json.loads(self.value or b"null")
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @cached_property
    def attributes(self) -> dict[str, Json]:
        return {name: value for name, value in self.envelope.items() if name not in ("data", "data_base64")}

    @cached_property
    def data(self) -> dict[str, Json]:
        data = self.envelope.get("data")
        return data if isinstance(data, dict) else {}

    @cached_property
    def header_texts(self) -> dict[str, str]:
        return {name: (value or b"").decode(errors="replace") for name, value in self.headers}

    @property
    def key_text(self) -> str | None:
        return None if self.key is None else self.key.decode(errors="replace")

    @property
    def name(self) -> str:
        """The short name of its type."""
        type_ = self.envelope.get("type")
        return short_type(type_) if isinstance(type_, str) else ""

    @property
    def subject(self) -> str:
        subject = self.envelope.get("subject")
        return subject if isinstance(subject, str) else ""

    @property
    def organization(self) -> str:
        """Whose it is: by its data, else by its key."""
        organization = self.data.get("organization")
        return organization if isinstance(organization, str) else (self.key_text or "").partition("/")[0]

    @property
    def cause(self) -> Json:
        return self.envelope.get("causationid")

    @property
    def identity(self) -> Identity:
        """Of a result: which command it answers."""
        return self.organization, str(self.data.get("commandId")), str(self.data.get("commandSource"))

    @property
    def position(self) -> int:
        """Its place among all records of its shard, by its id; 0 when the id says none."""
        tail = str(self.envelope.get("id", "")).partition("-")[2]
        return int(tail) if tail.isascii() and tail.isdigit() else 0

    def abbreviated(self, characters: int = 600) -> str:
        """Return one line for a report."""
        if self.name:
            told = ("id", "time", "subject", "sequence", "causationid")
            attributes = " ".join(f"{name}={self.attributes[name]}" for name in told if name in self.attributes)
            value = f"{self.name} {attributes} {to_json(self.data)}"
        else:
            value = "null" if self.value is None else self.value.decode(errors="replace")
        shown = value if len(value) <= characters else f"{value[:characters]}… ({len(value)} characters)"
        return f"{self.topic} {self.partition}@{self.offset} key={self.key_text} {shown}"
