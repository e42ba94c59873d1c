"""Addresses with TLS and several hosts, at real servers: a certificate is checked when, and as, the address says."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
from sqlalchemy import text

from db.address import DatabaseUnreachable, connect_arguments
from db.connecting import connect
from db.engine import create_engine, listening_connection
from db.questions.who import who_pays
from db.reading import create_reading_engine, reading_pool
from embedded.ports import free_ports
from tests.services.db.tls_servers import CLIENT, HOST, TlsServers, tls_servers
from tests.support.packages import ROOT
from tests.support.waiting import until


@pytest.fixture(scope="module")
def servers() -> Iterator[TlsServers]:
    """A primary and a standby."""
    with tls_servers() as made:
        yield made


async def _asked(address: str, question: str) -> object:
    connection = await connect(**connect_arguments(address))
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("host", "parameters", "is_encrypted"),
    (
        (HOST, "sslmode=verify-full&sslrootcert={ca}", True),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert={ca}", True),
        ("127.0.0.1", "sslmode=require", True),
        ("127.0.0.1", "sslmode=require&sslrootcert={ca}", True),
        ("127.0.0.1", "sslmode=prefer&sslrootcert={other}", True),
        ("127.0.0.1", "", True),
        ("127.0.0.1", "sslmode=disable", False),
        (HOST, "sslmode=verify-full&sslrootcert={ca}&ssl_min_protocol_version=TLSv1.3", True),
    ),
)
async def test_let_in(servers: TlsServers, host: str, parameters: str, is_encrypted: bool) -> None:
    assert await _asked(servers.address(f"{host}:{servers.primary}", _filled_in(servers, parameters)), "SELECT 1") == 1
    version, _ = servers.seen[-1]
    assert (version is not None) is is_encrypted
    assert version == "TLSv1.3" or "TLSv1.3" not in parameters


_REFUSED = (
    (HOST, "sslmode=verify-full&sslrootcert={other}", "certificate verify failed"),
    ("127.0.0.1", "sslmode=verify-full&sslrootcert={ca}", "IP address mismatch"),
    ("127.0.0.1", "sslmode=verify-ca&sslrootcert={other}", "certificate verify failed"),
    ("127.0.0.1", "sslmode=require&sslrootcert={other}", "certificate verify failed"),
    (HOST, "sslmode=verify-full&sslrootcert={key}", "no certificate or crl found"),
    (HOST, "sslmode=verify-full&sslrootcert=system", "certificate verify failed"),
)


@pytest.mark.parametrize(("host", "parameters", "words"), _REFUSED)
async def test_not_let_in(servers: TlsServers, host: str, parameters: str, words: str) -> None:
    said = _filled_in(servers, parameters)
    with pytest.raises(DatabaseUnreachable, match=words) as refused:
        await _asked(servers.address(f"{host}:{servers.primary}", said), "SELECT 1")
    assert servers.password not in str(refused.value)


def _filled_in(servers: TlsServers, parameters: str) -> str:
    return parameters.format(
        ca=servers.file("ca.pem"), other=servers.file("other-ca.pem"), key=servers.file("client.key")
    )


async def test_a_client_that_shows_a_certificate(servers: TlsServers) -> None:
    ca, own, key = (servers.file(name) for name in ("ca.pem", "client.pem", "client.key"))
    parameters = f"sslmode=verify-full&sslrootcert={ca}&sslcert={own}&sslkey={key}"
    await _asked(servers.address(f"{HOST}:{servers.primary}", parameters), "SELECT 1")
    assert servers.seen[-1][1] == CLIENT


_IS_PRIMARY = "SELECT NOT pg_is_in_recovery()"


@pytest.mark.parametrize(
    ("wanted", "is_primary"),
    (("read-write", True), ("primary", True), ("any", False), ("standby", False), ("read-only", False),
     ("prefer-standby", False)),
)  # fmt: skip
async def test_of_several_hosts_the_first_that_is_what_is_wanted(
    servers: TlsServers, wanted: str, is_primary: bool
) -> None:
    await _standby_answers(servers)
    (nobody,) = free_ports(1)
    hosts = f"127.0.0.1:{nobody},127.0.0.1:{servers.standby},127.0.0.1:{servers.primary}"
    address = servers.address(hosts, f"target_session_attrs={wanted}", "postgres")
    assert await _asked(address, _IS_PRIMARY) is is_primary


async def _standby_answers(servers: TlsServers) -> None:
    """Wait for the standby; it was copied before the database "whopays" was made."""

    async def look() -> bool:
        with suppress(OSError, asyncpg.PostgresError):
            return await _asked(servers.address(f"127.0.0.1:{servers.standby}", "", "postgres"), _IS_PRIMARY) is False
        return False

    await until(look, "the standby to answer")


async def test_whoever_prefers_a_standby_takes_what_there_is(servers: TlsServers) -> None:
    hosts = f"127.0.0.1:{servers.primary},127.0.0.1:{servers.primary}"
    assert await _asked(servers.address(hosts, "target_session_attrs=prefer-standby"), _IS_PRIMARY) is True


async def test_hosts_of_which_none_is_wanted_are_all_named(servers: TlsServers) -> None:
    (nobody,) = free_ports(1)
    hosts = f"127.0.0.1:{nobody},127.0.0.1:{servers.primary}"
    with pytest.raises(DatabaseUnreachable) as refused:
        await _asked(servers.address(hosts, "target_session_attrs=standby"), _IS_PRIMARY)
    assert f"127.0.0.1:{nobody}: " in str(refused.value)
    assert f"127.0.0.1:{servers.primary}: None of the hosts match" in str(refused.value)


async def test_a_host_that_swallows_everything_leaves_time_for_the_next(servers: TlsServers) -> None:
    ending = asyncio.Event()

    async def swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ending.wait()
        writer.close()

    silent = await asyncio.start_server(swallow, "127.0.0.1", 0)
    try:
        port = silent.sockets[0].getsockname()[1]
        hosts = f"127.0.0.1:{port},127.0.0.1:{servers.primary}"
        assert await _asked(servers.address(hosts, "connect_timeout=2"), _IS_PRIMARY) is True
    finally:
        ending.set()
        silent.close()
        await silent.wait_closed()


@asynccontextmanager
async def _engine(address: str) -> AsyncIterator[None]:
    engine = create_engine(address, pool_size=1)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        yield
    finally:
        await engine.dispose()


async def _by_workers(address: str) -> None:
    async with _engine(address):
        pass


async def _by_reading_engine(address: str) -> None:
    engine = create_reading_engine(address, pool_size=1, statement_seconds=10)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    finally:
        await engine.dispose()


async def _by_reading_pool(address: str) -> None:
    async with reading_pool(address, pool_size=1, statement_seconds=10) as pool, pool.acquire() as connection:
        await connection.fetchval("SELECT 1")


async def _by_listening(address: str) -> None:
    async with listening_connection(address) as connection:
        await connection.fetchval("SELECT 1")


async def _by_who(address: str) -> None:
    with suppress(asyncpg.UndefinedTableError):
        await who_pays(address, "acme", "web")


@pytest.mark.parametrize("ask", (_by_workers, _by_reading_engine, _by_reading_pool, _by_listening, _by_who))
async def test_everybody_who_connects_checks_the_certificate(
    servers: TlsServers, ask: Callable[[str], Awaitable[None]]
) -> None:
    place = f"{HOST}:{servers.primary}"
    await ask(servers.address(place, f"sslmode=verify-full&sslrootcert={servers.file('ca.pem')}"))
    with pytest.raises(DatabaseUnreachable, match="certificate verify failed"):
        await ask(servers.address(place, f"sslmode=verify-full&sslrootcert={servers.file('other-ca.pem')}"))


@pytest.mark.parametrize("words", (["who", "acme", "web"], ["migrate", "--json"]))
def test_a_command_says_what_is_wrong(servers: TlsServers, words: list[str]) -> None:
    parameters = f"sslmode=verify-full&sslrootcert={servers.file('other-ca.pem')}"
    address = servers.address(f"{HOST}:{servers.primary}", parameters)
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words],
        env={"WHOPAYS_DATABASE_URL": address, "PATH": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert servers.password not in done.stderr + done.stdout


def test_migrate_over_tls(servers: TlsServers) -> None:
    hosts = f"{HOST}:{servers.standby},{HOST}:{servers.primary}"
    parameters = f"sslmode=verify-full&sslrootcert={servers.file('ca.pem')}&target_session_attrs=read-write"
    done = subprocess.run(
        [sys.executable, "-m", "cli", "migrate", "--json"],
        env={"WHOPAYS_DATABASE_URL": servers.address(hosts, parameters, "postgres"), "PATH": ""},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["before"] is None
