"""Clocks that jump: of PostgreSQL, by a function of the same name that its sessions find first, and of a worker."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url, text

from tests.support.installations import Installation

JUMPING_WORKER = "tests.faults.jumping_worker"
HOUR = 3600


@dataclass
class Clocks:
    """The clocks of one installation that has no process running yet."""

    installation: Installation
    file: Path

    async def prepare(self) -> None:
        """Put the clocks under the test's control."""
        self.file.write_text("0")
        name = make_url(self.installation.settings.database_url).database
        async with self.installation.engine.begin() as connection:
            # No statement of whopays reads another clock; a test checks that.
            for statement in (
                "CREATE TABLE clock_shift (shift interval NOT NULL)",
                "INSERT INTO clock_shift VALUES ('0')",
                (
                    "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE"
                    " RETURN pg_catalog.clock_timestamp() + (SELECT shift FROM public.clock_shift)"
                ),
                f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog',
            ):
                await connection.execute(text(statement))
        await self.installation.engine.dispose()

    async def shift_database(self, seconds: float) -> None:
        """Set the database's clock this far ahead of the real one, or behind it."""
        async with self.installation.engine.begin() as connection:
            await connection.execute(
                text("UPDATE clock_shift SET shift = make_interval(secs => :seconds)"), {"seconds": seconds}
            )

    def shift_workers(self, seconds: float) -> None:
        """Set the workers' clock likewise."""
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self.file)

    @property
    def environment(self) -> dict[str, str]:
        """The variables for a worker whose clock jumps."""
        return {"CLOCK_SHIFT_FILE": str(self.file)}
