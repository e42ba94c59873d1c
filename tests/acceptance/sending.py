"""Records as they go to the input topics (`cases/FORMAT.md`, section 3)."""

import asyncio
import base64
import itertools
from collections.abc import Callable, Iterator
from typing import Protocol, Self

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from tests.acceptance.expand import Generators
from tests.acceptance.format import Record
from tests.acceptance.json_types import Json, in_text, to_json
from tests.acceptance.records import Headers, Sent
from tests.acceptance.vocabulary import COMMAND_TOPIC, TOPIC_OF_FACT, full_type, short_type

_NO_ORGANIZATION = "<none>"
_LARGEST_REQUEST_BYTES = 8 * 1024 * 1024


class Claims(Protocol):
    """Whatever must know where in its topic a record was written."""

    def claim(self, sent: Sent) -> None: ...


class Sender:
    """Sends the records of all cases through one producer; starts and stops with `async with`."""

    def __init__(self, bootstrap_servers: str, prefix: str, witness: Callable[[Sent], None]) -> None:
        self._prefix = prefix
        self._witness = witness
        # A retried send must not become a second record.
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers, enable_idempotence=True, max_request_size=_LARGEST_REQUEST_BYTES
        )

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(self, records: list[Sent], claims: Claims) -> None:
        """Send the records in this order without waiting in between; return once the broker has them all.

        Each record's `partition` and `offset` are set and it is handed to `claims`. Raises what the producer raises.
        """
        acknowledgements: list[asyncio.Future[RecordMetadata]] = []
        for sent in records:
            self._witness(sent)
            acknowledgement = await self._producer.send(
                f"{self._prefix}{sent.topic}", value=sent.value, key=sent.key, headers=list(sent.headers)
            )
            acknowledgements.append(acknowledgement)
        for sent, metadata in zip(records, await asyncio.gather(*acknowledgements), strict=True):
            sent.partition, sent.offset = metadata.partition, metadata.offset
            claims.claim(sent)


def letters() -> Iterator[str]:
    """Yield a, b, … z, aa, ab, …: digits could form a card number by chance."""
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    for length in itertools.count(1):
        for chosen in itertools.product(alphabet, repeat=length):
            yield "".join(chosen)


def build(record: Record, generators: Generators, home: str, generated_id: str) -> Sent:
    """Return the record as it will be sent.

    `home` is what `acme` is called in this run, `generated_id` the id of a record that names none. Raises
    `LookupError` when a generator draws on something that is not there.
    """
    members = generators.expand_sent(record.members)
    sent = _build_send(members, home, generated_id) if record.kind == "send" else _build_raw(members, home)
    sent.label, sent.expect, sent.of_fixture = record.label, record.expect, record.of_fixture
    sent.sent_at = generators.now
    return sent


def build_marker(organization: str, id_: str) -> Sent:
    """Return the command that closes a case in one organization: what was sent before it has been judged once it is."""
    members = {"type": "WithdrawClosure", "id": id_}
    data = {"organization": organization, "account": "marker-of-the-end", "dryRun": True}
    sent = _build_send(members | {"data": data}, organization, id_)
    sent.label, sent.kind = f"marker of {organization}", "marker"
    return sent


def _build_send(members: dict[str, Json], home: str, generated_id: str) -> Sent:
    type_ = full_type(members["type"])
    data = members["data"]
    if isinstance(data, dict):
        organization = data.get("organization", home)
        data = {name: value for name, value in data.items() if name != "organization"}
        if organization != _NO_ORGANIZATION:
            data = {"organization": organization} | data
        else:
            organization = None
    else:
        organization = None
    attributes = {
        "specversion": "1.0",
        "id": in_text(members.get("id", generated_id)),
        "source": members.get("source", "/cases"),
        "type": type_,
        "authid": members.get("authid", "alice"),
        "time": members.get("time"),
        "expirytime": members.get("expirytime"),
    }
    attributes |= members.get("attributes", {})
    attributes = {name: value for name, value in attributes.items() if value is not None}
    mode = members.get("mode", "structured")
    key = members.get("key", organization if isinstance(organization, str) else home)
    if mode == "binary":
        defaults = {f"ce_{name}": in_text(value) for name, value in attributes.items()}
        headers = {"content-type": "application/json"} | defaults
        value = to_json(data)
    else:
        headers = {"content-type": "application/cloudevents+json"}
        in_base64 = {"data_base64": base64.b64encode(_encoded(to_json(data))).decode()}
        value = to_json(attributes | (in_base64 if mode == "base64" else {"data": data}))
    return Sent(
        label="",
        kind="send",
        topic=members.get("topic", TOPIC_OF_FACT.get(short_type(type_), COMMAND_TOPIC)),
        key=None if key is None else _encoded(in_text(key)),
        value=_encoded(value),
        headers=_with_more(headers, members.get("headers", {})),
        type=_known_by(attributes, "type"),
        organization=organization,
        id=_known_by(attributes, "id"),
        source=_known_by(attributes, "source"),
        is_binary=mode == "binary",
        data=data,
        attributes=attributes,
    )


def _build_raw(members: dict[str, Json], home: str) -> Sent:
    value: bytes | None = None
    if "value_text" in members:
        value = _encoded(in_text(members["value_text"]))
    elif "value_base64" in members:
        value = base64.b64decode(members["value_base64"])
    key = members.get("key", home)
    headers = tuple((name, _header(value)) for name, value in members.get("headers", {}).items())
    encoded_key = None if key is None else _encoded(in_text(key))
    return Sent(label="", kind="raw", topic=members["topic"], key=encoded_key, value=value, headers=headers)


def _with_more(headers: dict[str, str], more: dict[str, Json]) -> Headers:
    """Return the headers with some added, replaced or (if the value is null) removed."""
    merged: dict[str, Json] = {**headers, **more}
    return tuple((name, _header(value)) for name, value in merged.items() if value is not None)


def _header(value: Json) -> bytes | None:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"])
    return None if value is None else _encoded(in_text(value))


def _known_by(attributes: dict[str, Json], name: str) -> str | None:
    """Return the text by which a record is known, also where the attribute is no text."""
    return in_text(attributes[name]) if name in attributes else None


def _encoded(text: str) -> bytes:
    # A lone surrogate in raw text is sent as the bytes it would have: no UTF-8, as such a case wants it.
    return text.encode("utf-8", errors="surrogatepass")
