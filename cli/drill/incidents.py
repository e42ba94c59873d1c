"""The faults of drills, and the repairs according to the runbook."""

import asyncio
import sys

from sqlalchemy import text

from cli.drill.site import KAFKA, Site, say, silent
from cli.terminal.ending import CommandFailed
from db.engine import create_engine
from schemas.topics import Topic
from workers.exchange import Message

_BROKEN = '{"specversion": "1.0", "type": "io.milo.billing.ProjectChanged.v1", "data": {"organization": "acme"'


async def relay_hangs(site: Site) -> None:
    """The relay's process is alive, but hangs."""
    site.hang("relay")


async def restart_the_relay(site: Site) -> None:
    """Restart the relay."""
    await site.do("restart", "relay")


async def producer_sends_rubbish(site: Site) -> None:
    """A producer sends truncated records."""
    await say(site.settings, *(_Rubbish({"number": number}, Topic.PROJECTS) for number in range(3)))


async def look_and_discard(_: Site) -> None:
    """Look at dead letters, and discard them."""
    await run("dead-letters", "list", "--waiting")
    await run("dead-letters", "discard", "--all", "--reason", "cut off by their producer, which sends them again")


async def kafka_dies(site: Site) -> None:
    """The broker dies."""
    await site.stop(KAFKA)


async def start_kafka(site: Site) -> None:
    """Start the broker."""
    await site.do("start", KAFKA)


async def worker_is_killed(site: Site) -> None:
    """The worker that consumes projects is killed."""
    await site.kill("projects")


async def start_the_worker(site: Site) -> None:
    """Start the worker that consumes projects."""
    await site.do("start", "projects")


async def somebody_corrects_a_payer(site: Site) -> None:
    """Somebody changes a payer by hand."""
    await site.start("auditor")
    await _by_hand(site, "UPDATE projects SET account = 'lab' WHERE (organization, project) = ('acme', 'project-1')")


async def look_and_put_it_back(site: Site) -> None:
    """Find the damage with an audit, and repair it by hand."""
    await run("verify", fails=True)
    await run("timeline", "acme", "project-1")
    await _by_hand(site, "UPDATE projects SET account = 'main' WHERE (organization, project) = ('acme', 'project-1')")
    await run("verify")


async def database_takes_no_writes(site: Site) -> None:
    """PostgreSQL answers, but refuses writes."""
    await _administer(site, "ALTER SYSTEM SET default_transaction_read_only = on")


async def let_it_write(site: Site) -> None:
    """Let PostgreSQL accept writes again."""
    await _administer(site, "ALTER SYSTEM RESET default_transaction_read_only")


async def somebody_damages_an_account(site: Site) -> None:
    """A row is changed by hand so that no worker can load it, and the worker that had it in memory is restarted."""
    await _by_hand(
        site,
        "UPDATE accounts SET outstanding = 0, outstanding_currency_code = 'EUR', outstanding_as_of = '20000-01-01' "
        "WHERE (organization, account) = ('acme', 'lab')",
    )
    await site.do("restart", "commands")


async def mend_it_and_redrive(site: Site) -> None:
    """Find the cause, repair it, and redrive the records that could not be decided."""
    await run("dead-letters", "list", "--waiting")
    await run("verify", fails=True)
    await site.do("stop", "commands")
    await _by_hand(
        site,
        "UPDATE accounts SET outstanding = NULL, outstanding_currency_code = NULL, outstanding_as_of = NULL "
        "WHERE (organization, account) = ('acme', 'lab')",
    )
    await site.do("start", "commands")
    await run("dead-letters", "redrive", "--all")
    await run("verify")


async def run(*words: str, fails: bool = False) -> None:
    """Run a command of whopays as the operator would. Raises CommandFailed if it fails, unless `fails`."""
    print(f"$ whopays {' '.join(words)}", flush=True)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "cli", *words, env=silent())
    if await process.wait() and not fails:
        raise CommandFailed(f"whopays {' '.join(words)} failed.")


async def _by_hand(site: Site, statement: str) -> None:
    """Change the database by hand, without its triggers and foreign keys."""
    engine = create_engine(site.settings.database_url, pool_size=1)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def _administer(site: Site, statement: str) -> None:
    """Change a setting of PostgreSQL, for existing sessions too."""
    engine = create_engine(site.settings.database_url, pool_size=1)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(statement))
            await connection.execute(text("SELECT pg_reload_conf()"))
    finally:
        await engine.dispose()


class _Rubbish(Message):
    """A record that its producer truncated."""

    @property
    def key(self) -> bytes:
        """The key of all of acme's records."""
        return b"acme"

    @property
    def value(self) -> bytes:
        """Half of an event."""
        return f"{_BROKEN}, {self.event['number']}".encode()
