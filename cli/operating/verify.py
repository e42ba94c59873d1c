"""`whopays verify`: checks that every promise holds."""

import asyncio
import json
import math
import signal
import time
from collections import Counter as Counted
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import structlog
import typer
from aiokafka.errors import KafkaError
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.exported import NotExported, check_exported
from audit.findings import Finding, Promise
from audit.installation import audited, lacks_archive
from audit.metrics import AuditMetrics
from audit.replays import NoManifest, audited_replay
from cli.operating.progress import shown_progress
from cli.terminal.ending import FAILED, CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import count_of, print_json_line
from cli.terminal.screen import show
from db.audits import Begun, begin_audit, keep_audit
from db.engine import create_engine
from db.errors import brief, is_transient
from db.revisions import check
from workers.publishing.positions import PositionsUnreadable
from workers.runtime.logs import set_up_logs
from workers.runtime.metrics_server import MetricsServer
from workers.runtime.settings import Settings
from workers.topics.admission import insist_on_prefix

_RETRY_SECONDS = 10.0
_ARCHIVE_SECONDS = 86_400.0
"""The interval at which `--watch` reads the archive, which only grows and is never rewritten."""

logger = structlog.get_logger()


def verify(*, offline: Path | None, manifest: Path | None, watch: bool, every: float, as_json: bool) -> None:
    """Check that every promise holds."""
    if offline is not None:
        _conclude(_offline(offline, as_json), as_json)
        return
    settings = load_settings()
    if manifest is not None:
        document = _read_document(manifest)
        with reaching(settings):
            _conclude(asyncio.run(_once(settings, as_json, document)), as_json)
        return
    with reaching(settings):
        if watch:
            set_up_logs(settings)
            asyncio.run(_watch_until_stopped(settings, every))
        else:
            _conclude(asyncio.run(_once(settings, as_json)), as_json)


async def _once(settings: Settings, as_json: bool, manifest: Any = None) -> int:
    """Print the findings about the installation, or about the replay of a manifest; return their number."""
    found: Counted[Promise] = Counted()
    engine = create_engine(settings.database_url, pool_size=2)
    try:
        await check(engine, settings.installation, settings.shards, settings.first_shard, only_reads=True)
        await insist_on_prefix(engine, settings)
        begun = await begin_audit(engine)
        with shown_progress() as progress:
            every = (
                audited(settings, engine, progress)
                if manifest is None
                else audited_replay(settings, engine, manifest, progress)
            )
            async with aclosing(every) as findings:
                async for finding in findings:
                    found[finding.promise] += 1
                    _print(finding, as_json)
        if manifest is None and not await _keep(engine, begun, found):
            typer.echo("The verdict was not kept: this role of the database may only read.", err=True)
        if manifest is None and await lacks_archive(engine, settings):
            typer.echo("The archive of the log was not read: WHOPAYS_ARCHIVE_URL is not set.", err=True)
        if manifest is None and not settings.encryption_keys:
            typer.echo("Encrypted data was not decrypted: WHOPAYS_ENCRYPTION_KEYS is not set.", err=True)
    except NoManifest as error:
        raise CommandFailed(f"The file cannot be checked: {error}.") from None
    finally:
        await engine.dispose()
    return found.total()


async def _keep(engine: AsyncEngine, begun: Begun, found: Counted[Promise]) -> bool:
    """Store the number of findings per promise, for `serve`; return whether the database role may do so."""
    return await keep_audit(engine, begun, {promise: found[promise] for promise in Promise})


def _read_document(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        raise CommandFailed(f"{path} is no JSON document: whopays replay show NAME --json writes one.") from None


def _offline(path: Path, as_json: bool) -> int:
    found = 0
    try:
        with path.open("rb") as file, shown_progress() as progress:
            for finding in check_exported(file, progress):
                found += 1
                _print(finding, as_json)
    except NotExported as error:
        raise CommandFailed(f"{path} cannot be checked: {error}.") from None
    return found


async def _watch_until_stopped(settings: Settings, every: float) -> None:
    """Watch until SIGTERM, which process 1 of a container ignores unless it has a handler."""
    is_stopped = asyncio.Event()
    watching = asyncio.create_task(_watch(settings, every))

    def stop() -> None:
        is_stopped.set()
        watching.cancel()

    with suppress(ValueError, RuntimeError):  # handlers can only be set in the main thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    try:
        await watching
    except asyncio.CancelledError:
        if not is_stopped.is_set():
            raise


async def _watch(settings: Settings, every: float) -> None:
    metrics = AuditMetrics()
    if settings.metrics_port:
        MetricsServer(settings.metrics_address, settings.metrics_port, metrics.registry)
    engine = create_engine(settings.database_url, pool_size=2)
    showing_life = asyncio.create_task(metrics.show_life())
    try:
        await check(engine, settings.installation, settings.shards, settings.first_shard, only_reads=True)
        await insist_on_prefix(engine, settings)
        archive_read = -math.inf
        while True:
            try:
                began = time.monotonic()
                begun = await begin_audit(engine)
                reads_archive = began >= archive_read + _ARCHIVE_SECONDS
                found = await _audit(settings, engine, reads_archive=reads_archive)
                archive_read = began if reads_archive else archive_read
                is_kept = await _keep(engine, begun, found)
            except Exception as error:
                if not (is_transient(error) or isinstance(error, KafkaError | PositionsUnreadable)):
                    raise
                metrics.interrupted()
                logger.warning("audit_interrupted", error=brief(error))
                await asyncio.sleep(min(every, _RETRY_SECONDS))
            else:
                metrics.audited(found, time.monotonic() - began)
                logger.info("audited", findings=found.total(), is_kept=is_kept)
                await asyncio.sleep(every)
    finally:
        showing_life.cancel()
        await engine.dispose()


async def _audit(settings: Settings, engine: AsyncEngine, *, reads_archive: bool) -> Counted[Promise]:
    """Log the findings; return their number per promise."""
    found: Counted[Promise] = Counted()
    every = audited(settings, engine, lambda *_: None, reads_archive=reads_archive)
    async with aclosing(every) as findings:
        async for finding in findings:
            found[finding.promise] += 1
            logger.error("promise_broken", promise=finding.promise, place=finding.place, trouble=finding.trouble)
    return found


def _print(finding: Finding, as_json: bool) -> None:
    if as_json:
        print_json_line({"promise": finding.promise, "place": finding.place, "trouble": finding.trouble})
    else:
        show(finding_line(finding))


def finding_line(finding: Finding) -> Text:
    """Return a finding as one line."""
    return Text.assemble((f"{finding.promise:10}", "bold red"), str(finding), no_wrap=True)


def _conclude(found: int, as_json: bool) -> None:
    if not as_json:
        said = count_of(found, "broken promise") if found else "Every promise holds."
        typer.secho(said, bold=True)
    if found:
        raise typer.Exit(FAILED)
