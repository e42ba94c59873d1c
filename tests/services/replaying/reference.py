"""What a replay must write, computed from the rows of the log by the contract alone: no code of the product."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.partitioner import murmur2

DEFAULT = {"BindingChanged", "AccountPhaseChanged", "AccountChanged", "ProjectBillingNotice", "CommandCompleted"}


@dataclass(frozen=True)
class Logged:
    """A row of the log."""

    shard: int
    position: int
    key: bytes | None
    value: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The CloudEvent."""
        event: dict[str, Any] = json.loads(self.value)
        return event

    @property
    def type(self) -> str:
        """Its short name."""
        return str(self.event["type"].split(".")[-2])


def expected(
    log: Sequence[Logged],
    partitions: int,
    *,
    until: str,
    organization: str | None = None,
    project: str | None = None,
    account: str | None = None,
    types: Sequence[str] = (),
    from_: str | None = None,
    after: Sequence[str] = (),
    latest: bool = False,
) -> list[list[Logged]]:
    """Return what each partition must hold before its marker; instants as events write them."""
    rows = [row for row in log if row.event["time"] < until]
    if latest:
        subjects = {
            (row.event["subject"], row.type == "BindingChanged"): row for row in rows if "sequence" in row.event
        }
        rows = list(subjects.values())
    places = {int(one.split("-")[0]): int(one.split("-")[1]) for one in after}
    rows = [
        row
        for row in rows
        if row.type in ({one.split(".")[-2] if "." in one else one for one in types} or DEFAULT)
        and (organization is None or row.event["data"].get("organization") == organization)
        and (project is None or (_kind(row) in "bn" and row.event["data"]["project"] == project))
        and (account is None or _names(row, account))
        and (from_ is None or row.event["time"] >= from_)
        and (not places or row.position > places.get(row.shard, 10**18))
    ]
    held: list[list[Logged]] = [[] for _ in range(partitions)]
    for row in sorted(rows, key=lambda row: (row.event["time"], row.shard, row.position)):
        number = row.position if row.key is None else murmur2(row.key) & 0x7FFFFFFF
        held[number % partitions].append(row)
    return held


def digest(records: Sequence[Logged]) -> str:
    """Return the digest of what a partition holds."""
    chain = bytes(32)
    for one in records:
        chain = hashlib.sha256(chain + _counted(one.key) + _counted(one.value)).digest()
    return chain.hex()


def headers(value: bytes, name: str) -> list[tuple[str, bytes]]:
    """Return the headers of a record that a replay of this name repeats."""
    trace = json.loads(value).get("traceparent")
    return [
        ("content-type", b"application/cloudevents+json"),
        *([("traceparent", trace.encode())] if trace is not None else []),
        ("whopays-replay", name.encode()),
    ]


def marker_attributes(name: str, partition: int) -> dict[str, Any]:
    """Return the attributes of a marker, without its source and the moment of writing."""
    return {
        "specversion": "1.0",
        "id": f"replay-{name}-{partition}",
        "type": "io.milo.billing.ReplayCompleted.v1",
        "subject": name,
        "partitionkey": f"_replay/{name}/{partition}",
    }


def types(rows: Iterable[Logged]) -> dict[str, int]:
    """Return how many rows there are of each type, in full."""
    return dict(Counter(str(row.event["type"]) for row in rows))


def _counted(part: bytes | None) -> bytes:
    return bytes.fromhex("ffffffff") if part is None else len(part).to_bytes(4, "big") + part


def _kind(row: Logged) -> str:
    return {"BindingChanged": "b", "ProjectBillingNotice": "n", "CommandCompleted": "c"}.get(row.type, "a")


def _names(row: Logged, account: str) -> bool:
    data = row.event["data"]
    match _kind(row):
        case "b":
            return account in [(data[one] or {}).get("account") for one in ("current", "previous")]
        case "c":
            return False
        case _:
            return bool(data.get("account") == account)
