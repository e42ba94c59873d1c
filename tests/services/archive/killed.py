"""Archiving in processes that are killed at one place after another: `python -m tests.services.archive.killed`.

Each is a fork of this one, so that the modules are imported once. A line for each says how it ended.
"""

import asyncio
import os
import sys

from pydantic import SecretStr

from tests.faults import failpoints

failpoints.install()

# With failpoints, which must be in place before.
from db.archive import catalog  # noqa: E402
from db.engine import create_engine  # noqa: E402
from workers.archiving import Archiving  # noqa: E402
from workers.runtime.metrics import Metrics  # noqa: E402
from workers.runtime.settings import Settings  # noqa: E402


async def archive_one(settings: Settings) -> None:
    """Archive a partition."""
    engine = create_engine(settings.database_url, pool_size=2)
    try:
        archiving = Archiving(engine, settings, Metrics())
        while await archiving.step() and archiving.is_working:
            pass
    finally:
        await engine.dispose()


def main(url: str, folder: str, positions: str) -> None:
    """Kill one process at each failpoint."""
    vars(catalog)["PARTITION_POSITIONS"] = int(positions)
    settings = Settings(database_url=url, archive_url=SecretStr(folder), installation="killed", archive_after_days=0)
    for point in failpoints.points(failpoints.OF_THE_ARCHIVE):
        child = os.fork()
        if not child:
            failpoints.plan({point: failpoints.KILL})
            try:
                asyncio.run(archive_one(settings))
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        print(point, os.waitstatus_to_exitcode(status), sep="\t", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
