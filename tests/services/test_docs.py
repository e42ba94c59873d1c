"""What the docs show works, and what they list is complete."""

import asyncio
import re
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.support.installations import Installation
from tests.support.kafka import all_consumed, send
from tests.support.messages import account, profile, project
from tests.support.packages import PACKAGES, ROOT
from workers.runtime.settings import settings_table

DOCS = ROOT / "docs"


def examples_of(page: str, prefix: str) -> dict[str, Any]:
    """Run the Python blocks of a page, with another topic prefix, and give what they define."""
    defined: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL):
        exec(block.replace('"billing.', f'"{prefix}'), defined)  # noqa: S102 (our own documentation)
    return defined


async def test_the_producer_and_the_consumer_of_the_integration_page_understand_each_other(
    installation: Installation,
) -> None:
    shown = examples_of("integration.md", installation.prefix)
    followed: asyncio.Queue[tuple[dict[str, Any], int]] = asyncio.Queue()

    async def apply(data: dict[str, Any], sequence: int) -> None:
        await followed.put((data, sequence))

    async with AIOKafkaProducer(bootstrap_servers=installation.kafka_bootstrap_servers) as producer:
        following = asyncio.create_task(shown["follow"](installation.kafka_bootstrap_servers, {}, apply))
        try:
            await send(installation, [profile("acme"), project("acme", "genome")])
            await all_consumed(installation)
            await send(installation, [account("acme", "research")])
            await all_consumed(installation)
            await shown["bind"](producer, "acme", "genome", "research", "alice")
            data, sequence = await asyncio.wait_for(followed.get(), 30)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    assert (data["project"], data["current"]["account"], sequence) == ("genome", "research", 1)


def test_the_table_of_settings_is_the_settings() -> None:
    assert settings_table() in (DOCS / "settings.md").read_text()


def test_whatever_warns_is_explained() -> None:
    night = (DOCS / "operations.md").read_text().partition("## At night\n")[2].partition("\n## ")[0]
    explained = {event for row in re.findall(r"^\| (`.*?) \|", night, flags=re.MULTILINE) for event in _named(row)}
    logged = {
        event
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for event in re.findall(r'logger\.(?:warning|error|exception)\(\s*"(\w+)"', path.read_text())
    }
    assert logged
    assert explained == logged


def _named(row: str) -> list[str]:
    return re.findall(r"`([a-z]+(?:_[a-z]+)+)`", row)
