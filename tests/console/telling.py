"""Tells the story to an installation, through Kafka, and makes an organization too large to tell."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text

from tests.console import audited, story
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, send
from tests.support.messages import Said, account, profile
from tests.support.serving import serving


@dataclass(frozen=True)
class Told:
    """An installation that the story was told to, and where its console is."""

    installation: Installation
    url: str

    @asynccontextmanager
    async def another(self, port: int = 0) -> AsyncIterator[int]:
        """Yield the port of another server of it, which is killed at the end."""
        async with serving(self.installation, "--port", str(port)) as server:
            yield server.address[1]


VAST = "vast"
VAST_PROJECTS = 100_000
VAST_ACCOUNTS = 1_200
"""More than a page of them, before `main` by name."""


async def tell(installation: Installation) -> None:
    """Tell all of it, part by part, each once the one before was read."""
    for part in (story.beginning(), story.accounts(), story.bindings(), story.ending()):
        await send(installation, part)
        await all_consumed(installation)
    await send(installation, [Said(*one) for one in story.unreadable()])
    await audited.ask(installation)
    await send(installation, [profile(VAST), account(VAST, "main")])
    await all_consumed(installation)
    await _fill(installation, VAST, VAST_PROJECTS)


async def _fill(installation: Installation, organization: str, projects: int) -> None:
    """Have an organization's account `main`, one of many, pay for projects since four days ago: written, not told."""
    async with installation.engine.begin() as connection:
        await connection.execute(text(_ACCOUNTS), {"organization": organization, "accounts": VAST_ACCOUNTS})
        for statement in (_PROJECTS, _BINDINGS):
            await connection.execute(text(statement), {"organization": organization, "projects": projects})


_ACCOUNTS = """
INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, currency_code, payment_terms,
    preferences, payment_profile, holds, activated_at)
SELECT organization, 'a' || lpad(number::text, 6, '0'), version, phases, sequence, phase, conditions, currency_code,
    payment_terms, preferences, payment_profile, holds, activated_at
FROM accounts, generate_series(1, CAST(:accounts AS integer)) AS number
WHERE organization = :organization AND account = 'main'
"""
_PROJECTS = """
INSERT INTO projects (organization, project, state, version)
SELECT :organization, 'p' || lpad(number::text, 6, '0'), 'Active', 1
FROM generate_series(1, CAST(:projects AS integer)) AS number
"""
_BINDINGS = """
INSERT INTO bindings (organization, project, number, account, from_instant)
SELECT :organization, 'p' || lpad(number::text, 6, '0'), 1, 'main', clock_timestamp() - interval '4 days'
FROM generate_series(1, CAST(:projects AS integer)) AS number
"""
