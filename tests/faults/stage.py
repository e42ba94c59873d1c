"""Where mutants are tried: a test's own installation, what is sent to it, and conditions to wait for."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from tests.faults import failpoints
from tests.faults.checking import verdict
from tests.faults.judge import is_published
from tests.faults.load import Load
from tests.faults.matrix import FAILING_WORKER
from tests.faults.mutating import MUTANT_VARIABLE
from tests.support.installations import Installation, Worker
from tests.support.kafka import all_consumed
from tests.support.messages import account, bind, profile, project
from workers.runtime.roles import Role

_PATIENCE_SECONDS = 30.0
"""A mutant that does not come to rest in this time shows other faults anyway."""
_PROJECTS = 6
_WAIT_SECONDS = 10
FORGETFUL = {"WHOPAYS_KEEP_COMMANDS_DAYS": "1e-9", "WHOPAYS_MAINTENANCE_SECONDS": "0.1"}
"""Settings with which a command is old as soon as it is answered."""
_IS_WAITING = """
SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@dataclass
class Stage:
    """An installation with no process yet; what is started on it is the mutant, if there is one."""

    installation: Installation
    mutant: str | None
    load: Load = field(init=False)

    def __post_init__(self) -> None:
        self.load = Load(self.installation)

    async def start(
        self, *roles: Role, plan: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None
    ) -> Worker:
        """Start a process with plans for some failpoints."""
        mutant = {} if self.mutant is None else {MUTANT_VARIABLE: self.mutant}
        variables = {**failpoints.environment(plan or {}), **mutant, **(settings or {})}
        return await self.installation.start(*roles, module=FAILING_WORKER, **variables)

    async def begin(self) -> None:
        """Send what all the rest builds on: six projects for which the first of three accounts pays."""
        await self.load.say(profile("acme"), *(account("acme", name) for name in "abc"))
        await self.load.say(*(project("acme", f"p{number}") for number in range(_PROJECTS)))
        await self.bind("first", "a")

    async def bind(self, name: str, payer: str) -> None:
        """Bind all projects to an account, with commands whose ids start with a name."""
        numbers = range(_PROJECTS)
        # A project may be read later than its binding.
        await self.load.say(*(bind("acme", f"p{n}", payer, f"{name}-{n}", waitSeconds=_WAIT_SECONDS) for n in numbers))

    async def begun(self) -> None:
        """Process the beginning with a whole installation, not yet the mutant, and stop it."""
        worker = await self.installation.start()
        await self.begin()
        await all_consumed(self.installation)
        assert await worker.stop() == 0

    async def goes_wrong_after(self) -> list[str]:
        """Send more, and return what is wrong in the end; all roles must be running."""
        await self.bind("after", "c")
        return await verdict(self.load, _PATIENCE_SECONDS if self.mutant else 120)


@asynccontextmanager
async def staged(installation: Installation, mutant: str | None) -> AsyncIterator[Stage]:
    """Yield a stage whose load is closed however its scenario ends."""
    stage = Stage(installation, mutant)
    try:
        yield stage
    finally:
        await stage.load.close()


Scenario = Callable[[Stage], Awaitable[list[str]]]
"""Breaks something, and returns what is wrong afterwards."""


def in_seconds(seconds: int) -> str:
    """Return the instant so many seconds from now, as commands write it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def waits_or_has_done(installation: Installation) -> bool:
    """Return whether somebody waits for a lock, or a project has been deleted."""
    done = "SELECT count(*) > 0 FROM projects WHERE state = 'Deleted'"
    return await _asked(installation, _IS_WAITING) or await _asked(installation, done)


async def waits_or_is_published(stage: Stage) -> bool:
    """Return whether somebody waits for a lock, or the command `behind` is answered and all is published."""
    if await _asked(stage.installation, _IS_WAITING):
        return True
    done = "SELECT count(*) > 0 FROM inbox WHERE command_id = 'behind'"
    return await _asked(stage.installation, done) and await is_published(stage.load)


async def nothing_is_left(installation: Installation) -> bool:
    """Return whether nobody waits and everything that was answered is forgotten, and something was."""
    kept = "SELECT count(*) > 0 AND NOT EXISTS (SELECT FROM inbox) FROM forgotten_commands"
    return await _asked(installation, kept)


async def payer_is(installation: Installation, name: str, payer: str) -> bool:
    """Return whether an account pays for a project."""
    async with installation.engine.connect() as connection:
        paying = text("SELECT account FROM projects WHERE project = :name AND account IS NOT NULL")
        return (await connection.execute(paying, {"name": name})).scalar_one_or_none() == payer


async def is_kept_or_over(installation: Installation, worker: Worker) -> bool:
    """Return whether the third version of `p0` is known, or a process has ended."""
    async with installation.engine.connect() as connection:
        version = (await connection.execute(text("SELECT version FROM projects WHERE project = 'p0'"))).scalar_one()
    return version == 3 or worker.process.returncode is not None


async def is_published_or_over(load: Load, worker: Worker) -> bool:
    """Return whether all of the log is published, or a process has ended."""
    return worker.process.returncode is not None or await is_published(load)


async def _asked(installation: Installation, question: str) -> bool:
    async with installation.engine.connect() as connection:
        return bool((await connection.execute(text(question))).scalar_one())
