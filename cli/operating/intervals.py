"""Exports the intervals of payers within a period, for invoices and analysis."""

import asyncio
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import orjson
import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.operating.files import FormatName, Hashed, written_whole
from cli.operating.formats import Writer, writer_of
from cli.operating.progress import shown_rows
from cli.terminal.ending import CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import count_of
from cli.terminal.screen import error_console
from db.audit import snapshot
from db.engine import create_engine
from db.exports import COLUMNS, Exported, copy_intervals, count_intervals
from db.questions.snapshots import Snapshot, closed_until, snapshots_of
from db.revisions import check
from schemas.instants import format_instant
from workers.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """The options of an export; the period is half-open, `[begins, ends)`."""

    begins: datetime
    ends: datetime
    organization: str | None
    form: FormatName
    may_be_unsettled: bool
    may_overwrite: bool


def export(asked: ExportRequest, file: Path | None) -> None:
    """Write the intervals to a file with its manifest, or to standard output. Raises CommandFailed."""
    settings = load_settings()
    with reaching(settings):
        if file is None:
            asyncio.run(_export(settings, asked, sys.stdout.buffer))
            return
        beside = file.with_name(f"{file.name}.manifest.json")
        whole = not file.exists() or file.is_file()
        with written_whole(beside, may_overwrite=True) if whole else nullcontext() as manifest:
            # The manifest is written last: a file without one, or with a different checksum, is incomplete.
            with written_whole(file, may_overwrite=asked.may_overwrite) as target:
                written = asyncio.run(_export(settings, asked, target))
            if manifest is not None:
                manifest.write(orjson.dumps({"file": file.name} | written, option=orjson.OPT_INDENT_2) + b"\n")
    typer.echo(f"{count_of(written['intervals'], 'interval')} written to {file}.", err=not whole)


async def _export(settings: Settings, asked: ExportRequest, out: IO[bytes]) -> dict[str, Any]:
    """Write the intervals, and return their manifest."""
    target = Hashed(out)
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        await check(engine, settings.installation, settings.shards, settings.first_shard, only_reads=True)
        async with snapshot(engine) as connection:
            snapshots = await _snapshots(connection, settings, asked.organization)
            what = Exported(asked.begins, asked.ends, asked.organization, closed_until(snapshots))
            if not (what.is_settled or asked.may_be_unsettled):
                raise CommandFailed(_not_settled(what))
            with writer_of(asked.form, target) as writer:
                count = await _copy(connection, what, writer)
    finally:
        await engine.dispose()
    out.flush()
    return {
        "format": asked.form,
        "intervals": count,
        "bytes": target.size,
        "sha256": target.sha256,
        "installation": settings.installation,
        "organization": asked.organization,
        "from": format_instant(asked.begins),
        "until": format_instant(asked.ends),
        "settled": what.is_settled,
        "closedUntil": what.closed and format_instant(what.closed),
        "asOf": [one.as_of for one in snapshots],
        "exportedAt": format_instant(max(one.now for one in snapshots)),
        "focusVersion": "1.2",
        "columns": [{"name": column.name, "type": column.type} for column in COLUMNS],
    }


async def _snapshots(connection: AsyncConnection, settings: Settings, organization: str | None) -> list[Snapshot]:
    shards = settings.shard_numbers if organization is None else [settings.shard_of(organization)]
    return sorted((await snapshots_of(connection, shards)).values(), key=lambda one: one.shard)


async def _copy(connection: AsyncConnection, what: Exported, writer: Writer) -> int:
    is_watched = error_console().is_terminal
    total = await count_intervals(connection, what) if is_watched else 0
    heading = int(writer.form == "csv")  # the first line of a CSV file names its columns
    with shown_rows(total) as progress:

        async def take(rows: bytes) -> None:
            nonlocal heading
            writer.take(rows)
            progress(rows.count(b"\n") - heading)
            heading = 0

        return await copy_intervals(connection, what, writer.form, take)


def _not_settled(what: Exported) -> str:
    until, closed = format_instant(what.ends), what.closed and format_instant(what.closed)
    whose = f"organization {what.organization}" if what.organization else "installation"
    known = f"the {whose} is closed up to {closed}" if closed else "nothing is closed yet, because no relay has run"
    return (
        f"The period until {until} is not settled: {known}.\n"
        "A change within it may still come. Wait until it is closed (the relay sees to it: whopays health), or write "
        "what is known so far with --unsettled."
    )
