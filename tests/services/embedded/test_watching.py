"""A server that dies is reported and started again, at the same address and with its data."""

from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka.errors import KafkaError

from embedded import Addresses, EmbeddedServices
from tests.services.embedded.running import kill, published, query
from tests.support.waiting import until

_SECONDS = 120


def _supervisors(folder: Path) -> list[psutil.Process]:
    """Return the supervisors of a folder's servers; other tests have servers of their own."""
    return [child for child in psutil.Process().children() if Path(child.cwd()) == folder]


def _server(folder: Path, name: str) -> list[psutil.Process]:
    """Return a server's own process and what it has started, without its supervisor."""
    servers = [server for one in _supervisors(folder) for server in one.children()]
    (found,) = [server for server in servers if name in " ".join(server.cmdline()).lower()]
    return [found, *found.children(recursive=True)]


async def _answers(addresses: Addresses, name: str) -> None:
    async def look() -> bool:
        try:
            if name == "postgres":
                return await query(addresses, "SELECT value FROM kept") == [("before",)]
            return await published(addresses, 1) == [b"before"]
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError):
            return False

    await until(look, f"{name}'s answer", _SECONDS)


@pytest.mark.parametrize(("name", "shown"), (("postgres", "PostgreSQL"), ("kafka.kafka", "Apache Kafka")))
async def test_one_that_is_killed(kept_folder: Path, name: str, shown: str) -> None:
    reports: list[str] = []
    with EmbeddedServices(kept_folder, durable=False, report=reports.append) as services:
        addresses = services.start()
        services.watch()
        for number in (1, 2):
            kill(_server(kept_folder, name)[:1] if number == 1 else _server(kept_folder, name))

            async def is_running_again(times: int = number) -> bool:
                return reports.count(f"{shown} is running again.") == times

            await until(is_running_again, f"the report of {shown}", _SECONDS)
            await _answers(addresses, name)
        died = [report for report in reports if report.startswith(f"{shown} has ended (exit code 137; its log is ")]
        assert len(died) == 2
        assert all(report.endswith("Starting it again ...") for report in died)


def test_whoever_stops_them_ends_the_watch_first(kept_folder: Path) -> None:
    reports: list[str] = []
    with EmbeddedServices(kept_folder, durable=False, report=reports.append) as services:
        services.start()
        services.watch()
        kill(_server(kept_folder, "postgres"))
    assert not [report for report in reports if "running again" in report]
    assert _supervisors(kept_folder) == []
