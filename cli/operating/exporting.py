"""`whopays export-log`: writes the log to a file, to be checked or archived."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import IO

import typer

from audit.exported import export_log as exported
from cli.operating.files import written_whole
from cli.operating.progress import shown_progress
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from db.engine import create_engine
from workers.runtime.archive import archive_of


def export_log(*, file: Path, may_overwrite: bool) -> None:
    """Write the whole log to a file."""
    settings = load_settings()

    async def write(out: IO[bytes]) -> None:
        engine = create_engine(settings.database_url, pool_size=1)
        try:
            with shown_progress() as progress:
                async with aclosing(exported(engine, archive_of(settings), settings.installation, progress)) as lines:
                    async for line in lines:
                        out.write(line)
        finally:
            await engine.dispose()

    with written_whole(file, may_overwrite=may_overwrite) as out, reaching(settings):
        asyncio.run(write(out))
    typer.echo(f"Written to {file}. Check it: whopays verify --offline {file}", err=not file.is_file())
