"""A request arrives when nobody expects it any more: after its sender has retried, or has been replaced."""

import asyncio

import pytest

from schemas.topics import Topic
from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.progress import SMALL, goes_on
from tests.services.audit.auditing import findings_of
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, dead_letters, exactly_published, send
from tests.support.messages import Said
from tests.support.proxies.kafka import ApiKey, HeldRequest
from tests.support.proxies.ways import Ways
from tests.support.waiting import patience
from workers.publishing.relay import LEAST_SHARES
from workers.runtime.roles import ALL_ROLES, Role

_INVALID_PRODUCER_EPOCH, _PRODUCER_FENCED = 47, 90
_ILLEGAL_GENERATION, _UNKNOWN_MEMBER = 22, 25
_OF_TRANSACTIONS = (ApiKey.END_TXN, ApiKey.PRODUCE, ApiKey.ADD_PARTITIONS_TO_TXN)
_NAMES = [key.name for key in _OF_TRANSACTIONS]
_LARGE_ROWS, _LARGE_BYTES = 16, 70_000
"""Makes a transaction whose batches do not fit into one request: a dead letter repeats its record."""


async def _caught(held: HeldRequest) -> None:
    await asyncio.wait_for(held.caught.wait(), patience(30))


@pytest.mark.parametrize(
    "key",
    (ApiKey.END_TXN, *(pytest.param(key, marks=pytest.mark.chaos) for key in _OF_TRANSACTIONS[1:])),
    ids=_NAMES,
)
async def test_of_a_relay_that_gave_up(quiet_installation: Installation, ways: Ways, key: ApiKey) -> None:
    """It comes in the middle of a transaction of the relay's next producer, and is refused."""
    async with loaded(quiet_installation) as load:
        worker = await quiet_installation.start(**ways.environment, **SMALL, WHOPAYS_RELAY_TRANSACTION_SECONDS="5")
        await goes_on(quiet_installation)
        late = ways.kafka.hold_back(key)
        await _caught(late)
        next_end = ways.kafka.hold_back(ApiKey.END_TXN)
        await worker.logged("relay_interrupted")
        await _caught(next_end)
        assert await late.deliver() & {_INVALID_PRODUCER_EPOCH, _PRODUCER_FENCED}
        await next_end.deliver()
    await all_is_well(load)


@pytest.mark.chaos
@pytest.mark.parametrize("key", _OF_TRANSACTIONS, ids=_NAMES)
async def test_of_a_relay_that_asked_again(quiet_installation: Installation, ways: Ways, key: ApiKey) -> None:
    """It comes in the middle of the transaction after the one that it was meant for."""
    async with loaded(quiet_installation) as load:
        await quiet_installation.start(**ways.environment, **SMALL)
        await goes_on(quiet_installation)
        late = ways.kafka.hold_back(key)
        await _caught(late)
        next_end = ways.kafka.hold_back(ApiKey.END_TXN, after=1)
        late.give_up()
        await _caught(next_end)
        await late.deliver()
        await next_end.deliver()
    await all_is_well(load)


async def test_of_a_relay_that_asked_again_comes_between_two_requests(
    quiet_installation: Installation, ways: Ways
) -> None:
    """The end of one transaction comes a second time while the next is half written, and must not end that."""
    installation = quiet_installation
    poison = Said(Topic.PROJECTS, b"acme", b"x" * _LARGE_BYTES)
    await installation.start(*(role for role in ALL_ROLES if role is not Role.RELAY))
    await send(installation, [poison] * (2 * _LARGE_ROWS))
    await all_consumed(installation)
    late = ways.kafka.hold_back(ApiKey.END_TXN)
    await installation.start(Role.RELAY, **ways.environment, WHOPAYS_RELAY_BATCH_ROWS=str(_LARGE_ROWS * LEAST_SHARES))
    await _caught(late)
    second_half = ways.kafka.hold_back(ApiKey.PRODUCE, after=1)
    late.give_up()
    await _caught(second_half)
    codes = await late.deliver()
    await second_half.deliver()
    assert len(dead_letters(await exactly_published(installation))) == 2 * _LARGE_ROWS
    assert await findings_of(installation) == []
    assert codes & {_INVALID_PRODUCER_EPOCH, _PRODUCER_FENCED}


@pytest.mark.chaos
async def test_acknowledgement_of_a_consumer_that_lost_its_partitions(
    quiet_installation: Installation, ways: Ways
) -> None:
    async with loaded(quiet_installation) as load:
        worker = await quiet_installation.start(**ways.environment, **SMALL)
        await goes_on(quiet_installation)
        stale = ways.kafka.hold_back(ApiKey.OFFSET_COMMIT)
        await _caught(stale)
        stale.give_up()
        await worker.stop()
        await quiet_installation.start(**SMALL)
        await goes_on(quiet_installation)
        assert await stale.deliver() & {_ILLEGAL_GENERATION, _UNKNOWN_MEMBER}
    await all_is_well(load)


@pytest.mark.chaos
async def test_acknowledgement_overtaken_by_a_later_one(quiet_installation: Installation, ways: Ways) -> None:
    """The offsets go back, and the next worker reads again what has been done."""
    async with loaded(quiet_installation) as load:
        worker = await quiet_installation.start(**ways.environment, **SMALL)
        await goes_on(quiet_installation)
        stale = ways.kafka.hold_back(ApiKey.OFFSET_COMMIT)
        await _caught(stale)
        stale.give_up()
        await goes_on(quiet_installation)
        assert await stale.deliver() == {0}
        await worker.kill()
    await quiet_installation.start()
    await all_is_well(load)
