"""`python -m benchmarks.replaying`: how fast a replay and a snapshot are, and what they take, with nothing beside them.

The log is filled by SQL; a replay neither knows nor needs the tables that workers write.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.installations import installed, servers
from db.engine import create_engine
from db.log import PARTITION_POSITIONS
from workers.runtime.settings import Settings

_LOOK_SECONDS = 0.2
_AT_ONCE = 200_000

program = typer.Typer(pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: what it replayed, how long it took in seconds, its processor time, its largest resident memory in MB."""

    what: str
    records: int
    seconds: float
    cpu_seconds: float
    most_megabytes: float

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.records:,} records in {self.seconds:.1f} s, {self.records / self.seconds:,.0f}/s, "
            f"{self.cpu_seconds:.1f} s of a processor, at most {self.most_megabytes:.0f} MB"
        )


@program.command()
def main(
    events: Annotated[int, typer.Option(min=1_000, help="Events of the log.")] = 1_000_000,
    projects: Annotated[int, typer.Option(min=1_200, help="Projects that they are of.")] = 1_000_000,
    json_: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Measure a replay of everything, one of an organization, and a snapshot."""
    # An organization is in one shard: so the numbers of its projects leave one remainder of shards and organizations.
    measured = asyncio.run(_run(events, projects - projects % 1_200))
    for one in measured:
        typer.echo(str(one))
    if json_ is not None:
        fields = [{name: getattr(one, name) for name in Measured.__slots__} for one in measured]
        json_.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


async def _run(events: int, projects: int) -> list[Measured]:
    with servers() as addresses:
        async with installed(addresses) as settings:
            engine = create_engine(settings.database_url)
            try:
                await fill(engine, settings.shards, events, projects)
            finally:
                await engine.dispose()
            return [
                _replayed(settings, "everything", "all"),
                _replayed(settings, "one of 200 organizations", "one", "--organization=org-7"),
                _replayed(settings, "a snapshot", "snapshot", "--latest"),
                _replayed(settings, "a snapshot without a target", "dry", "--latest", "--dry-run"),
            ]


async def fill(engine: AsyncEngine, shards: int, events: int, projects: int) -> None:
    """Fill a log with changes of payers, and say that they are published and closed."""
    if events // shards >= 2 * PARTITION_POSITIONS:
        raise typer.BadParameter("so many events need more partitions of the log")
    for low in range(0, events, _AT_ONCE):
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("SET LOCAL transaction_timeout = 0"))
            high = min(events, low + _AT_ONCE)
            await connection.execute(_FILL, {"low": low, "high": high, "shards": shards, "projects": projects})
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE shards SET position = last.position, last_instant = clock_timestamp()"
                " FROM (SELECT shard, max(position) AS position FROM log GROUP BY shard) AS last"
                " WHERE last.shard = shards.shard"
            )
        )
        await connection.execute(text("INSERT INTO published SELECT shard, position FROM shards"))
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE log"))


def _replayed(settings: Settings, what: str, name: str, *words: str) -> Measured:
    variables = {
        f"WHOPAYS_{key.upper()}": value if isinstance(value, str) else json.dumps(value)
        for key, value in settings.model_dump(mode="json", exclude_defaults=True).items()
        if key != "encryption_keys"
    }
    command = [sys.executable, "-m", "cli", "replay", "start", name, *words, "--json"]
    began = time.monotonic()
    with subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.PIPE) as process:
        watched, most, cpu = psutil.Process(process.pid), 0, 0.0
        while process.poll() is None:
            try:
                most = max(most, watched.memory_info().rss)
                cpu = sum(watched.cpu_times()[:2])
            except psutil.NoSuchProcess:
                break
            time.sleep(_LOOK_SECONDS)
        out = process.stdout.read() if process.stdout else b""
    seconds = time.monotonic() - began
    if process.returncode != 0:
        raise typer.Exit(1)
    return Measured(what, json.loads(out)["records"], seconds, cpu, most / 1024**2)


_FILL = text(
    """
    INSERT INTO log (shard, position, recorded_at, topic, key, value, hash, boundary)
    SELECT n % :shards, n / :shards + 1, at, 'bindings', convert_to(organization || '/' || project, 'UTF8'),
        convert_to(format(
            '{"specversion":"1.0","id":"%s-%s","source":"/whopays/bench","type":"io.milo.billing.BindingChanged.v1",'
            '"time":"%s","subject":"%s/%s","sequence":"%s","partitionkey":"%s/%s","causationid":"BindProject-%s",'
            '"authid":"alice","data":{"organization":"%s","project":"%s","change":"Superseded","current":{"bindingId":'
            '"%s","account":"main","establishedAt":"%s","currencyCode":"EUR","paymentTerms":{"netDays"\\:30,'
            '"invoiceFrequency":"Monthly","invoiceDayOfMonth"\\:1,"earlyPaymentDiscount"\\:null,"latePaymentPenalty"\\:null}},'
            '"previous":{"bindingId":"%s","account":"spare","establishedAt":"%s","endedAt":"%s"},'
            '"cause":{"commandId":"BindProject-%s","by":"alice"}}}',
            n % :shards, n / :shards + 1, told, organization, project, lpad((n / :projects + 1)::text, 20, '0'),
            organization, project, n, organization, project, md5(n::text), told, md5((n + 1)::text), told, told, n
        ), 'UTF8'), decode(repeat('00', 32), 'hex'), organization
    FROM (
        SELECT n, 'org-' || n % 200 AS organization, 'project-' || n % :projects AS project,
            timestamptz '2026-01-01 00:00:00Z' + n * interval '1 millisecond' AS at,
            to_char(
                timestamptz '2026-01-01 00:00:00Z' + n * interval '1 millisecond', 'YYYY-MM-DD"T"HH24\\:MI\\:SS.US"Z"'
            ) AS told
        FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint) - 1) AS n
    ) AS made
    """
)


if __name__ == "__main__":
    program()
