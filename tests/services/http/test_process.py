"""`whopays serve` as a process: where it listens, how it ends, and what it does while the database is away."""

import asyncio
import sys

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.refusal import DatabaseRefused
from service.serving import serve
from tests.support.installations import Installation
from tests.support.proxies.ways import Ways
from tests.support.serving import Server, asking, serving
from tests.support.waiting import patience, until
from workers.runtime.settings import Settings

O = "/v1/organizations/acme"  # noqa: E741 (the contract's own abbreviation)


@pytest.mark.parametrize(
    ("words", "variables"),
    (
        (("0.0.0.0 is not one", "WHOPAYS_AUTH=trusted"), {"WHOPAYS_SERVE_ADDRESS": "0.0.0.0"}),  # noqa: S104 (refused)
        (('WHOPAYS_ENCRYPTION_KEY_ID is "none"', "not among"), {"WHOPAYS_ENCRYPTION_KEY_ID": "none"}),
        (("cannot be used",), {"WHOPAYS_DATABASE_URL": "postgresql://127.0.0.1:1/none"}),
    ),
)
async def test_it_says_why_it_cannot(told: Installation, words: tuple[str, ...], variables: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "serve", "--port", "0",
        env=told.environment(**variables), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await asyncio.wait_for(process.communicate(), patience(60))
    assert process.returncode == 1
    assert [word for word in words if word not in err.decode()] == []
    assert "Traceback" not in err.decode()


async def test_a_database_of_another_installation_is_not_answered_from(engine: AsyncEngine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    settings = Settings(database_url=url, installation="another", auth="trusted", serve_port=0)
    listening: list[str] = []
    async with asyncio.timeout(patience(10)):
        with pytest.raises(DatabaseRefused, match="belongs to the installation"):
            await serve(settings, listening.append)
    assert listening == []


async def test_a_port_that_is_taken_is_named(told: Installation, server: Server) -> None:
    host, port = server.address
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "serve", "--port", str(port),
        env=told.environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await asyncio.wait_for(process.communicate(), patience(60))
    assert process.returncode == 1
    assert f"Questions cannot be answered at {host}, port {port}" in err.decode()


async def test_what_is_being_answered_is_finished(told: Installation) -> None:
    async with serving(told) as server, asking(server) as client:
        shard, position = (await client.get(O)).headers["whopays-as-of"].split("-")
        waiting = asyncio.create_task(client.get(f"{O}?atLeast={shard}-{int(position) + 1000}"))
        await asyncio.wait([waiting], timeout=0.3)
        assert await asyncio.wait_for(server.stop(), patience(30)) == 0
        response = await waiting
        assert response.json()["type"] == "urn:whopays:problem:NotYetKnown"
        with pytest.raises(httpx.TransportError):
            await client.get("/livez")


async def test_while_the_database_is_away(quiet_installation: Installation, ways: Ways) -> None:
    async with serving(quiet_installation, **ways.environment) as server, asking(server) as client:
        known = await client.get(O)
        assert known.status_code == 200
        await ways.database.cut()
        for path in (O, f"{O}/projects/web/payer", "/v1/replays", "/readyz"):
            response = await client.get(path)
            assert response.status_code == 503, path
            assert response.json()["type"] == "urn:whopays:problem:Unavailable"
            assert response.headers["retry-after"]
            # Of an organization that was answered for: what was known then.
            as_of = known.headers["whopays-as-of"] if path.startswith(O) else None
            assert response.headers.get("whopays-as-of") == as_of
        assert (await client.get("/livez")).status_code == 200
        await ways.database.mend()

        async def answers() -> bool:
            return (await client.get(O)).status_code == 200

        await until(answers, "an answer, once the database is there again")
