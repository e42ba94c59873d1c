"""`python -m benchmarks.exporting`: how long an export of payer intervals takes in each form, and how much memory.

Beside each stands the floor, measured in the same run: the same statement through psql's own path, COPY into nothing.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import text

from benchmarks.installations import environment_of, installed, servers
from db.audit import snapshot
from db.engine import create_engine
from db.exports import Exported, copy_intervals
from schemas.terms import PaymentTerms
from workers.runtime.settings import Settings

_FROM, _UNTIL = "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"
_BEFORE, _WITHIN, _PER_ORGANIZATION = 1, 4, 5_000
"""Changes of payer of each project before the month and within it, and projects of an organization."""


@dataclass(frozen=True, slots=True)
class _Run:
    seconds: float
    peak_bytes: int
    file_bytes: int


def main(intervals: int = 1_000_000) -> None:
    """Fill an installation with payers over a month, and export the month in every form."""
    asyncio.run(_run(intervals))


async def _run(intervals: int) -> None:
    with servers() as addresses, tempfile.TemporaryDirectory(prefix="whopays-export-") as folder:
        async with installed(addresses) as settings:
            await fill(settings, intervals // (_BEFORE + _WITHIN))
            for form in ("csv", "ndjson", "table"):
                typer.echo(f"floor, {form}: {await _floor(settings, form):.1f} s")
            for form in ("csv", "ndjson", "parquet"):
                ran = await asyncio.to_thread(_export, settings, form, Path(folder) / f"intervals.{form}")
                typer.echo(
                    f"{form}: {ran.seconds:.1f} s, {ran.file_bytes / 2**20:.0f} MiB, "
                    f"peak of memory {ran.peak_bytes / 2**20:.0f} MiB"
                )


async def fill(settings: Settings, projects: int) -> None:
    """Fill an installation with projects whose payers changed, before a month and within it."""
    engine = create_engine(settings.database_url)
    async with engine.begin() as connection:
        for statement in _FILL.split(";"):
            await connection.execute(text(statement.format(projects=projects, terms=_TERMS)))
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM (ANALYZE) bindings, projects, accounts"))
    await engine.dispose()


async def _floor(settings: Settings, form: Any) -> float:
    engine = create_engine(settings.database_url)
    month = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)

    async def forget(rows: bytes) -> None:
        pass

    began = time.perf_counter()
    async with snapshot(engine) as connection:
        await copy_intervals(connection, Exported(*month, None, month[1]), form, forget)
    took = time.perf_counter() - began
    await engine.dispose()
    return took


def _export(settings: Settings, form: str, file: Path) -> _Run:
    environment = environment_of(settings)
    words = ["export", "intervals", "--from", _FROM, "--until", _UNTIL, "--format", form, "--out", str(file)]
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "cli", *words], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    if status:
        raise typer.Exit(1)
    manifest = json.loads(file.with_name(f"{file.name}.manifest.json").read_text(encoding="utf-8"))
    typer.echo(f"{manifest['intervals']:,} intervals")
    return _Run(took, usage.ru_maxrss * 1024, file.stat().st_size)


_TERMS = json.dumps(PaymentTerms().model_dump(by_alias=True, exclude_none=True))
# As a restored backup is loaded: what triggers would write is written here.
_CHANGES = _BEFORE + _WITHIN
_FILL = f"""
    SET LOCAL session_replication_role = replica;
    SET LOCAL statement_timeout = 0;
    SET LOCAL transaction_timeout = 0;
    UPDATE shards SET last_instant = '2027-03-01';
    INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, display_name,
        currency_code, payment_terms, payment_profile, holds, activated_at)
    SELECT 'org-' || p / {_PER_ORGANIZATION}, 'account-' || a, 1, 1, 1, 'Ready', '[]', 'Account number ' || a, 'EUR',
        '{{terms}}', 'card', '[]', '2027-01-01'
    FROM generate_series(0, {{projects}} - 1, {_PER_ORGANIZATION}) AS p, generate_series(0, 9) AS a;
    INSERT INTO projects (organization, project, state, version, display_name, number, account, payer_since)
    SELECT 'org-' || p / {_PER_ORGANIZATION}, 'project-' || p, 'Active', 1, 'Project number ' || p, {_CHANGES},
        'account-' || (p + {_CHANGES}) % 10, '2027-01-01'::timestamptz + {_WITHIN - 1} * interval '86400.123456 s'
    FROM generate_series(0, {{projects}} - 1) AS p;
    INSERT INTO bindings (organization, project, number, account, from_instant)
    SELECT 'org-' || p / {_PER_ORGANIZATION}, 'project-' || p, n, 'account-' || (p + n) % 10,
        '2027-01-01'::timestamptz + (n - {_BEFORE + 1}) * interval '86400.123456 s'
    FROM generate_series(0, {{projects}} - 1) AS p, generate_series(1, {_CHANGES}) AS n
"""  # noqa: S608 - made of the numbers above


if __name__ == "__main__":
    typer.run(main)
