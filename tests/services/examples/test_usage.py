"""Usage, attributed and added up: killed in between, late, repeated, corrected, and once more from a replay."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import orjson
import pytest

from tests.services.client.acting import Written, act_replay, at, changed, said, story, watermark, write
from tests.services.examples.month import MINUTES, Month
from tests.services.examples.pipelines import Pipeline, said_on
from tests.support.waiting import until
from whopays_client import Connection

WAITING = "SELECT count(*) FROM usage WHERE reason = 'NotKnownYet'"
DECIDED = "SELECT count(*) FROM usage WHERE reason IS NOT 'NotKnownYet'"
ROLLUPS = "SELECT account, day, meter, quantity, records FROM rollups ORDER BY 1, 2, 3"


@pytest.fixture
def usage(stage: Connection, tmp_path: Path) -> Pipeline:
    """The pipeline, with an empty store."""
    return Pipeline(stage, "usage", tmp_path / "usage.db")


def partitions_of(month: Month, after: float, until: float) -> list[list[Written]]:
    """Return what happened in some minutes of a month, partition by partition."""
    partitions: list[list[Written]] = [[], [], []]
    for number, (_, events) in enumerate(month.bindings().items()):
        partitions[number % 3] += [event for minute, event in events if after < minute <= until]
    return partitions


async def publish(stage: Connection, ends: list[int], partitions: Sequence[Sequence[Written]], minutes: float) -> None:
    """Publish what happened up to some minute, and the watermark that says that this is all."""
    for number, records in enumerate(partitions):
        if records:
            ends[number] = await write(stage, "bindings", records, partition=number)
    await write(stage, "watermarks", [watermark(minutes, ends)])


def used(name: str, minutes: float, **more: object) -> Written:
    """Return a usage record of acme."""
    record = {"organization": "acme", "id": name, "revision": 1, "project": "web", "meter": "cpu", "quantity": "1"}
    return b"acme", orjson.dumps({**record, "at": said(at(minutes)), **more})


async def test_a_month_adds_up_to_the_last_digit_whatever_is_killed_and_again_from_a_replay(
    stage: Connection, usage: Pipeline, tmp_path: Path
) -> None:
    month = Month.at_random(7)
    records, ends, closed = list(month.records()), [0, 0, 0], 0
    fifth = len(records) // 5 + 1
    for number, closing in enumerate((10_000, 0, 30_000, 0, MINUTES)):
        async with usage.running() as process:
            # Killed while it takes in usage, or while it decides and publishes.
            taken = usage.rows("SELECT count(*) FROM usage")[0][0] if number else 0
            await write(stage, "usage", records[number * fifth : (number + 1) * fifth], partition=number % 2)
            await usage.has("SELECT count(*) FROM usage", taken + 1, process)
            if closing:
                decided = usage.rows(DECIDED)[0][0]
                await publish(stage, ends, partitions_of(month, closed, closing), closing)
                closed = closing
                await usage.has(DECIDED, decided + 1, process)
    # All of it once more, and on each partition a last one, which is decided last.
    for number in (0, 1):
        last = used(f"last-{number}", MINUTES, project="unheard-of")
        await write(stage, "usage", [*records, last], partition=number)
    async with usage.running() as process:
        await usage.has("SELECT count(*) FROM quarantine WHERE id LIKE 'last-_' AND reason = 'NobodyPaid'", 2, process)
        live = usage.rows(ROLLUPS)
        assert {(*cell, Fraction(quantity)) for *cell, quantity, _ in live} == {
            (*cell, quantity) for cell, quantity in month.rollups().items()
        }
        unpaid = usage.rows("SELECT id, reason FROM quarantine WHERE id NOT LIKE 'last-_'")
        assert sorted(unpaid) == sorted((name, "NobodyPaid") for name in month.unpaid())
        await all_is_told(stage, usage, month)

    await act_replay(stage, "month", partitions_of(month, 0, MINUTES), MINUTES)
    again = Pipeline(stage, "usage", tmp_path / "again.db")
    async with again.running("month") as process:
        await again.has("SELECT count(*) FROM quarantine WHERE id LIKE 'last-_' AND reason = 'NobodyPaid'", 2, process)
        assert again.rows(ROLLUPS) == live


async def all_is_told(stage: Connection, usage: Pipeline, month: Month) -> None:
    """Wait until the enriched records are published: each once, and the last of each with who is to pay."""

    async def is_empty() -> bool:
        return usage.rows("SELECT count(*) FROM outbox") == [(0,)]

    await until(is_empty, "an empty outbox")
    enriched = await said_on(stage, "usage-enriched")
    assert set(Counter((one["key"], one["revision"]) for one in enriched).values()) == {1}
    last = {one["id"]: one for one in sorted(enriched, key=lambda one: int(one["revision"]))}
    for name, one in month.latest().items():
        told = last[name]
        assert told["account"] == month.payer(one), one
        assert {member: told[member] for member in one if member != "at"} == {m: one[m] for m in one if m != "at"}


async def test_what_has_no_payer_waits_with_a_reason_and_is_released(stage: Connection, usage: Pipeline) -> None:
    quarantine = "SELECT id, reason FROM quarantine ORDER BY id"
    ends = [await write(stage, "bindings", story("old", 1, first=4)), 0, 0]
    await write(stage, "watermarks", [watermark(4, ends)])
    unreadable = (b"no JSON", b"{}", used("float", 1, quantity=0.5)[1], used("naive", 1, at="2026-01-01T00:00:00")[1])
    await write(stage, "usage", [(b"acme", value) for value in (*unreadable, None)])
    records = [used("early", 3), used("in-time", 5), used("before", 1, project="old")]
    await write(stage, "usage", [*records, used("last", 4)])
    async with usage.running() as process:
        await usage.has(f"{DECIDED} AND id = 'last'", 1, process)
        assert usage.rows(quarantine) == [
            ("before", "HistoryMissing"), ("early", "NobodyPaid"), ("in-time", "NotKnownYet"), ("last", "NobodyPaid")
        ]  # fmt: skip
        assert usage.rows("SELECT count(*) FROM unreadable") == [(5,)]
        assert usage.rows(ROLLUPS) == []

        ends[1] = await write(stage, "bindings", [changed("web", 1, "a1", 5)], partition=1)
        await write(stage, "watermarks", [watermark(6, ends)])
        await usage.has("SELECT count(*) FROM rollups", 1, process)
        assert usage.rows(ROLLUPS) == [("a1", "2026-01-01", "cpu", "1", 1)]
        corrections = [used("early", 5.5, revision=2, quantity="0.10"), used("in-time", 4.9, revision=2)]
        await write(stage, "usage", [*corrections, used("early", 3)])
        await usage.has(f"{DECIDED} AND revision = 2", 2, process)
        assert usage.rows(ROLLUPS) == [("a1", "2026-01-01", "cpu", "0.1", 1)]
        assert ("in-time", "NobodyPaid") in usage.rows(quarantine)
        await usage.has("SELECT count(*) = 0 FROM outbox", 1, process)
    told = [(one["id"], one["revision"], one["account"]) for one in await said_on(stage, "usage-enriched")]
    assert [one for one in told if one[0] == "in-time"] == [("in-time", 1, "a1"), ("in-time", 2, None)]
