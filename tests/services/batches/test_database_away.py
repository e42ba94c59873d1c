"""The database goes down and comes back: records wait, none is lost, none becomes a dead letter."""

from tests.support.installations import Installation
from tests.support.kafka import all_consumed, dead_letters, exactly_published, results, send, told_unpaid
from tests.support.messages import account, bind, profile, project
from tests.support.proxies.ways import Ways


async def test_records_wait_until_the_database_is_back(quiet_installation: Installation, ways: Ways) -> None:
    installation = quiet_installation
    worker = await installation.start(**ways.environment)
    await send(installation, [profile("acme"), *(project("acme", f"p{number}") for number in range(50))])
    await all_consumed(installation)
    await ways.database.cut()
    await send(installation, [account("acme", "main"), *(bind("acme", f"p{n}", "main", f"c{n}") for n in range(50))])
    await worker.logged("batch_retried")
    await ways.database.mend()
    found = await exactly_published(installation)
    assert dead_letters(found) == []
    assert {results(found)[f"c{number}"]["outcome"] for number in range(50)} == {"Applied"}


async def test_connections_cut_under_load(quiet_installation: Installation, ways: Ways) -> None:
    installation = quiet_installation
    await installation.start(
        **ways.environment,
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
        await ways.database.cut()
        await ways.database.mend()
    found = await exactly_published(installation)
    assert dead_letters(found) == []
    names = [f"{turn}-{number}" for turn in range(10) for number in range(20)]
    assert told_unpaid(found) == {f"p{name}" for name in names}
    assert results(found).keys() >= {f"c{name}" for name in names}
