"""Chance that can be repeated, servers that may be broken, and the table of how long it took to recover."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random, SystemRandom

import pytest
import pytest_asyncio

from tests.faults.own_servers import OwnServers, own_servers
from tests.faults.recovering import recoveries
from tests.faults.teeth import deaths
from tests.support.installations import Installation


@pytest.fixture
def chance() -> Random:
    """What is random in a test; its seed is shown when the test fails, and SEED repeats it."""
    seed = os.environ.get("SEED") or str(SystemRandom().randrange(1_000_000))
    print(f"SEED={seed}")
    return Random(seed)


@pytest_asyncio.fixture(scope="session")
async def breakable() -> AsyncIterator[OwnServers]:
    """Servers for all tests that break some, one after the other."""
    async with own_servers() as made:
        yield made


@pytest_asyncio.fixture
async def breaking(breakable: OwnServers) -> AsyncIterator[Installation]:
    """A whopays on servers that may be broken, of which no process runs yet."""
    async with breakable.installation() as made:
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pass that aiokafka does not close a connection of which the broker ends while it is being made."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection:ResourceWarning"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured."""
    if recoveries:
        terminalreporter.section("from the end of a fault until nothing waited")
        for fault, seconds in recoveries:
            terminalreporter.write_line(f"{seconds:8.1f} s  {fault}")
    if deaths:
        terminalreporter.section("mutants, and what they died of")
        for mutant, death in deaths:
            terminalreporter.write_line(f"{mutant}: {death}")
