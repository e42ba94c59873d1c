"""The database goes away and comes back: the records wait, none is lost, none becomes a dead letter."""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy import make_url

from tests.installations import Installation
from tests.kafka import all_consumed, dead_letters, exactly_published, results, send, told_unpaid
from tests.messages import account, bind, profile, project
from tests.proxies.network import Proxy, proxied


@pytest_asyncio.fixture
async def way_to_database(quiet_installation: Installation) -> AsyncIterator[Proxy]:
    """What stands between the workers and their database."""
    url = make_url(quiet_installation.settings.database_url)
    assert url.host is not None
    async with proxied(url.host, url.port or 5432) as proxy:
        yield proxy


def through(proxy: Proxy, installation: Installation) -> str:
    """Give the address of the installation's database by way of the proxy."""
    url = make_url(installation.settings.database_url).set(host="127.0.0.1", port=proxy.port)
    return url.render_as_string(hide_password=False)


async def test_records_wait_until_the_database_is_back(
    quiet_installation: Installation, way_to_database: Proxy
) -> None:
    installation, proxy = quiet_installation, way_to_database
    worker = await installation.start(WHOPAYS_DATABASE_URL=through(proxy, installation))
    await send(installation, [profile("acme"), *(project("acme", f"p{number}") for number in range(50))])
    await all_consumed(installation)
    await proxy.cut()
    await send(installation, [account("acme", "main"), *(bind("acme", f"p{n}", "main", f"c{n}") for n in range(50))])
    await worker.logged("batch_retried")
    await proxy.mend()
    found = await exactly_published(installation)
    assert dead_letters(found) == []
    assert {results(found)[f"c{number}"]["outcome"] for number in range(50)} == {"Applied"}


async def test_connections_cut_under_load(quiet_installation: Installation, way_to_database: Proxy) -> None:
    installation, proxy = quiet_installation, way_to_database
    await installation.start(
        WHOPAYS_DATABASE_URL=through(proxy, installation),
        WHOPAYS_BATCH_MAX_RECORDS="5",
        WHOPAYS_RELAY_BATCH_ROWS="20",
    )
    await send(installation, [profile("acme"), account("acme", "a"), account("acme", "b")])
    for turn in range(10):
        await send(
            installation,
            [
                *(project("acme", f"p{turn}-{number}") for number in range(20)),
                *(bind("acme", f"p{turn}-{number}", "ab"[number % 2], f"c{turn}-{number}") for number in range(20)),
            ],
        )
        await proxy.cut()
        await proxy.mend()
    found = await exactly_published(installation)
    assert dead_letters(found) == []
    names = [f"{turn}-{number}" for turn in range(10) for number in range(20)]
    assert told_unpaid(found) == {f"p{name}" for name in names}
    assert results(found).keys() >= {f"c{name}" for name in names}
