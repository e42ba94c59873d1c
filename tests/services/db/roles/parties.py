"""An installation whose database has roles, with one login for each party."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url

from db.address import connect_arguments
from db.connecting import connect
from db.engine import create_engine
from db.migrate import migrate
from db.privileges import Party, role_name
from embedded import Addresses
from tests.support.installations import administer, database_url, drop_database

SHARDS = 6
_PASSWORD = "secret"


@dataclass(frozen=True)
class Parties:
    """A database: the name of its installation, its address as a superuser, and as the login of each party."""

    installation: str
    database_url: str
    said: list[str]

    def login(self, party: Party) -> str:
        """Return the name of the role that logs in for a party."""
        return f"{self.installation}_{party}_login"

    def address(self, party: Party) -> str:
        """Return the address of the database for a party."""
        url = make_url(self.database_url).set(username=self.login(party), password=_PASSWORD)
        path = "?options=-c%20search_path=whopays_bound,public" if party is Party.BOUND else ""
        return f"{url.render_as_string(hide_password=False)}{path}"


@asynccontextmanager
async def parties(services: Addresses, name: str | None = None) -> AsyncIterator[Parties]:
    """Yield a database with roles, and with logins for them; the bound reader is bound to the organization "acme"."""
    name = name or f"p{uuid4().hex[:12]}"
    url = database_url(services, name)
    made = Parties(name, url, [])
    await administer(services, f'CREATE DATABASE "{name}"')
    engine = create_engine(url, pool_size=1)
    try:
        await migrate(engine, name, SHARDS, report=made.said.append, with_roles=True)
        await give_logins(services, made)
        yield made
    finally:
        await engine.dispose()
        await drop_database(services, name)
        await drop_roles(services, name)


@asynccontextmanager
async def as_party(made: Parties, party: Party) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Yield a connection as the login of a party."""
    connection = await connect(**connect_arguments(made.address(party)))
    try:
        yield connection
    finally:
        await connection.close()


async def give_logins(services: Addresses, made: Parties) -> None:
    """Make a login for each party."""
    for party in Party:
        group = role_name(made.installation, party)
        await administer(
            services, f'CREATE ROLE "{made.login(party)}" LOGIN PASSWORD \'{_PASSWORD}\' IN ROLE "{group}"'
        )


async def drop_roles(services: Addresses, installation: str) -> None:
    """Drop all roles of an installation, whose database is gone."""
    for party in Party:
        group = role_name(installation, party)
        await administer(services, f'DROP ROLE IF EXISTS "{group}_login", "{group}"')
