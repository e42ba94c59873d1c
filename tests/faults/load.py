"""Records of every kind, sent without end while something is broken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from aiokafka.errors import KafkaError

from tests.installations import Installation
from tests.kafka import send
from tests.messages import Said, account, bind, command, profile, project

_PAUSE_SECONDS = 0.2
_GIVE_UP_MS = 8_000


@dataclass
class Load:
    """Facts, bindings, refusals, waits that end, and fan-outs, over two organizations; `sent` was acknowledged."""

    installation: Installation
    sent: list[Said] = field(default_factory=list)

    async def begin(self) -> None:
        """Send what all the rest builds upon."""
        await self._send(profile("acme"), profile("globex"), *(project("acme", f"p{n}") for n in range(20)))
        await self._send(*(account(name, f"{one}") for name in ("acme", "globex") for one in ("a", "b")))

    async def go_on(self) -> None:
        """Send more and more, until cancelled."""
        for turn in count():
            await self._send(
                *(bind("acme", f"p{n}", "ab"[turn % 2], f"bind-{turn}-{n}") for n in range(20)),
                bind("acme", f"p{turn % 20}", "none", f"refused-{turn}"),
                bind("globex", f"late-{turn}", "a", f"waits-{turn}", waitSeconds=1),
                command("SuspendAccount", f"suspend-{turn}", "globex", account="b", reason="Administrative"),
                project("globex", f"g{turn}"),
                profile("acme", version=turn + 2),
            )
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _send(self, *said: Said) -> None:
        while True:
            try:
                await send(self.installation, said, request_timeout_ms=_GIVE_UP_MS)
            except KafkaError:
                # Whatever of it arrived arrives again: commands go by their id, facts by their version.
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                break
        self.sent += said


@asynccontextmanager
async def loaded(installation: Installation) -> AsyncIterator[Load]:
    """Have records flow for the length of a block."""
    load = Load(installation)
    await load.begin()
    flowing = asyncio.create_task(load.go_on())
    try:
        yield load
    finally:
        flowing.cancel()
        await asyncio.gather(flowing, return_exceptions=True)
