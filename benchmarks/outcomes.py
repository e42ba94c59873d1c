"""What must have come of rebindings: no figure counts beside a wrong outcome."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping

import orjson
from aiokafka import ConsumerRecord

from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import Fleet, Project, Rebinding
from benchmarks.installations import connect
from workers.runtime.settings import Settings

Wanted = dict[str, tuple[Project, str]]
"""By the id of each command, the project and the account that must pay for it."""


def wanted_of(sent: Iterable[Rebinding]) -> Wanted:
    """Return what must come of rebindings."""
    return {rebinding.identity: (rebinding.project, rebinding.account) for rebinding in sent}


async def each(records: Iterable[ConsumerRecord]) -> AsyncIterator[ConsumerRecord]:
    """Yield records that are there already as if they came."""
    for record in records:
        yield record


async def verify_bindings(wanted: Wanted, records: AsyncIterable[ConsumerRecord]) -> None:
    """Make sure that the events are one for each rebinding, in the order of their sequence. Raises BenchmarkFailed."""
    missing = dict(wanted)
    sequences: dict[str, int] = {}
    async for record in records:
        event = orjson.loads(record.value)
        rebinding = missing.pop(event["causationid"], None)
        if rebinding is None:
            raise BenchmarkFailed(f"the event {event['id']} was caused by no command of the round, or twice by one")
        data, subject, sequence = event["data"], event["subject"], int(event["sequence"])
        said = ((data["organization"], data["project"]), data["current"]["account"], data["change"])
        if said != (*rebinding, "Superseded"):
            raise BenchmarkFailed(f"the event {event['id']} says {said}, its command {rebinding}")
        if sequence != sequences.get(subject, sequence - 1) + 1:
            raise BenchmarkFailed(f"the event {event['id']} has the sequence {sequence} after {sequences[subject]}")
        sequences[subject] = sequence
    if missing:
        raise BenchmarkFailed(f"{len(missing)} commands of the round caused no event, {next(iter(missing))} among them")


async def verify_results(wanted: Mapping[str, str], records: AsyncIterable[ConsumerRecord]) -> None:
    """Make sure that the results are one for each command, with the outcome wanted. Raises BenchmarkFailed."""
    missing = dict(wanted)
    async for record in records:
        data = orjson.loads(record.value)["data"]
        outcome = missing.pop(data["commandId"], None)
        if data["outcome"] != outcome:
            raise BenchmarkFailed(
                f"the command {data['commandId']} has the result {data['outcome']}, wanted: {outcome}"
            )
    if missing:
        raise BenchmarkFailed(f"{len(missing)} commands have no result, {next(iter(missing))} among them")


async def verify_state(settings: Settings, fleet: Fleet, *, idle_projects: int = 0) -> None:
    """Make sure that the database has each rebinding, one payer each, and no dead letter. Raises BenchmarkFailed.

    `idle_projects` are bound ones beside the fleet's.
    """
    connection = await connect(settings.database_url)
    try:
        row = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM bindings), (SELECT count(account) FROM projects), "
            "(SELECT count(*) FROM dead_letters)"
        )
    finally:
        await connection.close()
    active = len(fleet.projects) + idle_projects
    wanted = (active + fleet.rebound, active, 0)
    if row is None or tuple(row) != wanted:
        raise BenchmarkFailed(f"bindings, active ones and dead letters are {row} in the database, not {wanted}")
