"""What the demonstration shows, it hears from the topics' beginning: also what happened before it listened."""

import asyncio
import contextlib
import json

from cli.demo.audience import Audience
from tests.support.installations import Installation
from tests.support.kafka import exactly_published, send
from tests.support.messages import project


async def test_what_happened_before_is_heard(installation: Installation) -> None:
    said = project("acme", "web")
    await send(installation, [said])
    await exactly_published(installation)
    audience = Audience(installation.settings)
    listening = asyncio.create_task(audience.listen())
    try:
        heard = await audience.hear(json.loads(said.value or b"")["id"], 1)
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
    assert heard[0]["subject"] == "acme/web"
