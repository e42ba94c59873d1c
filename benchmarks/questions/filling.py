"""A large installation, loaded by COPY: the rows that workers would have left, without the log that tells of them.

One organization is huge; the others have a thousand projects each. Two accounts pay for every project in turn: `main`
before the month that is asked about and at its end.
"""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import asyncpg

from benchmarks.installations import connect
from benchmarks.progress import step
from schemas.instants import format_instant
from workers.runtime.settings import Settings

HUGE = "huge"
MAIN, SPARE = "main", "spare"
CHANGES = 5
"""Changes of payer of each project: the first before the month, the others within it."""
BEGIN, END = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
"""The month that is asked about."""

_PER_ORGANIZATION = 1_000
_LINES_AT_ONCE = 20_000
_SECONDS_BETWEEN = 5 * 86_400
_PAYERS = tuple((MAIN, SPARE)[number % 2] for number in range(CHANGES))


class Filled:
    """Names of what is in the database: `projects` in all, `of_huge` of them in one organization."""

    def __init__(self, projects: int, of_huge: int) -> None:
        self.projects = projects
        self.sizes = {HUGE: of_huge}
        for number in range((projects - of_huge) // _PER_ORGANIZATION):
            self.sizes[f"organization-{number:05}"] = _PER_ORGANIZATION
        self.organizations = [name for name in self.sizes if name != HUGE]

    def project(self, number: int) -> tuple[str, str]:
        """Return the organization and the name of a project of a small organization; any number names one."""
        organization = self.organizations[number % len(self.organizations)]
        return organization, _name(number // len(self.organizations) % _PER_ORGANIZATION)


async def fill(settings: Settings, filled: Filled) -> None:
    """Load everything; the database computes nothing meanwhile, so what its triggers would write is loaded too."""
    connection = await connect(settings.database_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        for table, columns, lines, count in _tables(filled):
            with step(f"Rows of {table}", count) as shown:
                await _copy(connection, table, columns, lines, shown)
        await connection.execute(
            "UPDATE shards SET last_instant = clock_timestamp(), written_at = clock_timestamp();"
            "INSERT INTO published SELECT shard, position FROM shards ON CONFLICT DO NOTHING"
        )
        with step("Statistics", 1):
            await connection.execute("VACUUM (ANALYZE, FREEZE) bindings, projects, accounts", timeout=3600)
            await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _tables(filled: Filled) -> list[tuple[str, tuple[str, ...], Iterator[str], int]]:
    return [
        (
            "accounts",
            (
                "organization", "account", "version", "phases", "sequence", "phase", "conditions", "currency_code",
                "payment_terms", "payment_profile", "holds", "activated_at",
            ),
            _accounts(filled),
            2 * len(filled.sizes),
        ),
        (
            "former_payers",
            ("organization", "account", "last_ended_at"),
            (
                f"{organization}\t{account}\t{_instant(CHANGES if account == SPARE else CHANGES - 1, size - 1)}\n"
                for organization, size in filled.sizes.items()
                for account in (MAIN, SPARE)
            ),
            2 * len(filled.sizes),
        ),
        (
            "projects",
            ("organization", "project", "state", "version", "number", "account", "payer_since"),
            _projects(filled),
            filled.projects,
        ),
        (
            "bindings",
            ("organization", "project", "number", "account", "from_instant"),
            _bindings(filled),
            CHANGES * filled.projects,
        ),
    ]  # fmt: skip


def _accounts(filled: Filled) -> Iterator[str]:
    terms = json.dumps({"netDays": 30, "invoiceFrequency": "Monthly", "invoiceDayOfMonth": 1})
    since = format_instant(BEGIN - timedelta(days=60))
    for organization in filled.sizes:
        for account in (MAIN, SPARE):
            yield f"{organization}\t{account}\t2\t2\t2\tReady\t[]\tEUR\t{terms}\tcard\t[]\t{since}\n"


def _projects(filled: Filled) -> Iterator[str]:
    for organization, size in filled.sizes.items():
        for number in range(size):
            since = _instant(CHANGES, number)
            yield f"{organization}\t{_name(number)}\tActive\t1\t{CHANGES}\t{_PAYERS[-1]}\t{since}\n"


def _bindings(filled: Filled) -> Iterator[str]:
    for organization, size in filled.sizes.items():
        for number in range(size):
            name = _name(number)
            for change, account in enumerate(_PAYERS, start=1):
                yield f"{organization}\t{name}\t{change}\t{account}\t{_instant(change, number)}\n"


def _name(number: int) -> str:
    return f"project-{number:07}"


def _instant(change: int, number: int) -> str:
    return _INSTANTS[change - 1][number % _PER_ORGANIZATION]


async def _copy(
    connection: "asyncpg.Connection[asyncpg.Record]",
    table: str,
    columns: tuple[str, ...],
    lines: Iterator[str],
    shown: Any,
) -> None:
    async def source() -> AsyncIterator[bytes]:
        done = 0
        while some := list(islice(lines, _LINES_AT_ONCE)):
            yield "".join(some).encode()
            done += len(some)
            shown(done)

    await connection.copy_to_table(table, source=source(), columns=columns, timeout=3600)


_INSTANTS = [
    [
        format_instant(BEGIN + timedelta(seconds=(change - 1) * _SECONDS_BETWEEN + number, microseconds=number))
        for number in range(_PER_ORGANIZATION)
    ]
    for change in range(CHANGES)
]
