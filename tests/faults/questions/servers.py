"""A server of questions that may be killed: another one takes its place, as a service manager would see to."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.support.installations import Installation
from tests.support.serving import Server, asking, serving


class Servers:
    """One server at a time; `number` counts them, and `client` asks the present one."""

    def __init__(self, installation: Installation, *, module: str = "cli", **environment: str) -> None:
        self._installation = installation
        self._module = module
        self._environment = environment
        self._stack = AsyncExitStack()
        self.number = 0
        self.is_breakable = False
        """Whether questions may be left without an answer."""
        self.server: Server
        self.client: httpx.AsyncClient

    async def __aenter__(self) -> Self:
        await self.start(self._environment)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def start(self, environment: dict[str, str] | None = None) -> Server:
        """Start another server, which is asked from now on; the one before it is left as it is."""
        server = await self._stack.enter_async_context(
            serving(self._installation, module=self._module, **(environment or self._environment))
        )
        self.client = await self._stack.enter_async_context(asking(server))
        self.server = server
        self.number += 1
        return server


async def end_what_listens(connection: AsyncConnection) -> int:
    """End the connections that hear of commits, a server's and the relay's; return how many were a server's."""
    ended = (await connection.execute(_END_WHAT_LISTENS)).scalars().all()
    return sum(not query.startswith("LISTEN") for query in ended)


# A session tells only what it asked last: the relay to be notified, a server how far each shard is.
_END_WHAT_LISTENS = text(
    """
    SELECT query FROM pg_stat_activity
    WHERE datname = current_database() AND query ~ '^(LISTEN|SELECT shard, position FROM shards$)'
        AND pg_terminate_backend(pid)
    """
)
