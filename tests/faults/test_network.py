"""The network between a worker and its servers is slow, silent or torn; afterwards nothing is lost or doubled."""

import asyncio

import pytest

from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.progress import SMALL, goes_on
from tests.support.installations import Installation
from tests.support.proxies.network import Proxy, Towards
from tests.support.proxies.ways import Ways
from tests.support.waiting import patience, until

_CUTS = 4
_DELAY_SECONDS = 0.03
_BYTES_PER_SECOND = 300_000
_SILENCE_SECONDS = 15
"""Longer than a consumer may be silent before it is removed from its group."""

KAFKA, DATABASE, BOTH = "Kafka", "PostgreSQL", "both"


def _chosen(ways: Ways, which: str) -> tuple[Proxy, ...]:
    return {KAFKA: (ways.kafka,), DATABASE: (ways.database,), BOTH: ways.both}[which]


async def _connected(ways: Ways, which: str) -> None:
    # What is published may have been read over a connection that has been broken since.
    async def all_are() -> bool:
        return all(proxy.links for proxy in _chosen(ways, which))

    await until(all_are, "connections", seconds=60)


@pytest.mark.chaos
async def test_slow(quiet_installation: Installation, ways: Ways) -> None:
    async with loaded(quiet_installation) as load:
        await quiet_installation.start(**ways.environment, **SMALL)
        for proxy in ways.both:
            proxy.slow_down(delay_seconds=_DELAY_SECONDS, bytes_per_second=_BYTES_PER_SECOND)
        await goes_on(quiet_installation)
        await goes_on(quiet_installation)
        assert all(proxy.delayed > 0 for proxy in ways.both)
        for proxy in ways.both:
            await proxy.mend()
    await all_is_well(load)


@pytest.mark.parametrize(
    "which",
    (pytest.param(KAFKA, marks=pytest.mark.chaos), pytest.param(DATABASE, marks=pytest.mark.chaos), BOTH),
)
async def test_cut_again_and_again(quiet_installation: Installation, ways: Ways, which: str) -> None:
    async with loaded(quiet_installation) as load:
        await quiet_installation.start(**ways.environment, **SMALL)
        for _ in range(_CUTS):
            await goes_on(quiet_installation)
            await _connected(ways, which)
            assert all(await asyncio.gather(*(proxy.sever() for proxy in _chosen(ways, which))))
    await all_is_well(load)


@pytest.mark.chaos
@pytest.mark.parametrize("which", (KAFKA, DATABASE))
@pytest.mark.parametrize("towards", Towards, ids=[towards.value for towards in Towards])
async def test_half_closed(quiet_installation: Installation, ways: Ways, which: str, towards: Towards) -> None:
    async with loaded(quiet_installation) as load:
        await quiet_installation.start(**ways.environment, **SMALL)
        for _ in range(_CUTS):
            await goes_on(quiet_installation)
            await _connected(ways, which)
            assert all(proxy.half_close(towards) > 0 for proxy in _chosen(ways, which))
    await all_is_well(load)


@pytest.mark.chaos
@pytest.mark.parametrize("which", (KAFKA, DATABASE, BOTH))
async def test_silent_for_a_while(quiet_installation: Installation, ways: Ways, which: str) -> None:
    async with loaded(quiet_installation) as load:
        await quiet_installation.start(**ways.environment, **SMALL, WHOPAYS_RELAY_TRANSACTION_SECONDS="5")
        await goes_on(quiet_installation)
        for proxy in _chosen(ways, which):
            proxy.hold()
        for proxy in _chosen(ways, which):
            await asyncio.wait_for(proxy.kept_waiting.wait(), patience(60))
        await asyncio.sleep(_SILENCE_SECONDS)
        for proxy in _chosen(ways, which):
            await proxy.mend()
        await goes_on(quiet_installation)
    await all_is_well(load)
