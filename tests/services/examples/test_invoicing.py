"""A period of an account, cut at the exact instants."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from examples import invoicing
from tests.services.client.acting import Written, act_replay, at, story, watermark, write
from tests.services.examples.month import MINUTES, Month
from tests.services.examples.pipelines import Pipeline
from whopays_client import Connection, HistoryMissing, NotKnownYet

DAY = 24 * 60


def happened(month: Month, after: float, until: float) -> list[Written]:
    """Return the changes in some minutes of a month, each project's in their order."""
    return [event for events in month.bindings().values() for minute, event in events if after < minute <= until]


def shares(lines: list[dict[str, Any]]) -> dict[tuple[str, str, str], Fraction]:
    """Return the lines of an invoice as `Month.shares` does."""
    zulu = [(one["project"], *(one[end].replace("+00:00", "Z") for end in ("from", "until"))) for one in lines]
    return {cell: Fraction(one["share"]) for cell, one in zip(zulu, lines, strict=True)}


async def test_an_invoice_is_cut_at_the_exact_instants_once_they_are_final(stage: Connection, tmp_path: Path) -> None:
    month, pipeline = Month.at_random(3, records=0), Pipeline(stage, "invoicing", tmp_path / "invoicing.db")
    period, arguments = (at(5 * DAY), at(26 * DAY)), ("acme", "a1", at(5 * DAY).isoformat(), at(26 * DAY).isoformat())
    end = await write(stage, "bindings", happened(month, 0, 12 * DAY))
    await write(stage, "watermarks", [watermark(12 * DAY, [end, 0, 0])])
    for kept in (1, 4):
        async with pipeline.running(*arguments) as process:
            await pipeline.has("SELECT count(*) FROM whopays_client WHERE key LIKE '%/payers/acme/%'", kept, process)
    with pytest.raises(NotKnownYet):
        await invoicing.run(stage, str(pipeline.store), "acme", "a1", period, wait_seconds=0)
    end = await write(stage, "bindings", happened(month, 12 * DAY, MINUTES))
    await write(stage, "watermarks", [watermark(26 * DAY, [end, 0, 0])])

    live = [await invoicing.run(stage, str(pipeline.store), "acme", f"a{one}", period) for one in (1, 2, 3, 4)]
    for number, lines in enumerate(live, start=1):
        assert shares(lines) == month.shares(f"a{number}", 5, 26)
        assert {(one["currencyCode"], str(one["paymentTerms"])) for one in lines} == {("EUR", "{'netDays': 30}")}
    await act_replay(stage, "month", [happened(month, 0, MINUTES)], MINUTES)
    again = str(tmp_path / "again.db")
    assert [
        await invoicing.run(stage, again, "acme", f"a{one}", period, replay="month") for one in (1, 2, 3, 4)
    ] == live
    assert pipeline.rows("SELECT count(*) FROM invoices") == [(4,)]


async def test_no_invoice_is_cut_of_what_was_never_read(stage: Connection, tmp_path: Path) -> None:
    # What compaction has left of a project: its fourth change, which tells of the third payer.
    end = await write(stage, "bindings", story("web", 1, first=4))
    await write(stage, "watermarks", [watermark(10, [end, 0, 0])])
    store = str(tmp_path / "invoicing.db")
    with pytest.raises(HistoryMissing):
        await invoicing.run(stage, store, "acme", "a3", (at(2), at(8)))
    with pytest.raises(HistoryMissing):
        await invoicing.run(stage, store, "acme", "a3", (at(3), at(8)))
    (line,) = await invoicing.run(stage, store, "acme", "a4", (at(4), at(8)))
    assert (line["from"], line["share"]) == ("2026-01-01T00:04:00.000000+00:00", "1")
