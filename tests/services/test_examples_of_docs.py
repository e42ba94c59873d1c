"""The examples in the docs work."""

import asyncio
import re
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.support.installations import Installation
from tests.support.kafka import all_consumed, send
from tests.support.messages import account, profile, project
from tests.support.packages import ROOT
from tests.support.waiting import patience

DOCS = ROOT / "docs"


def examples_of(page: str, prefix: str) -> dict[str, Any]:
    """Run the Python blocks of a page with another topic prefix, and return what they define."""
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
            data, sequence = await asyncio.wait_for(followed.get(), patience(30))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    assert (data["project"], data["current"]["account"], sequence) == ("genome", "research", 1)
