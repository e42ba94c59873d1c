"""How far the service's consumer groups have read the input topics: one poller for everybody who waits."""

import asyncio
import contextlib
import time
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.acceptance.records import Sent
from tests.support.waiting import patience

_POLL_SECONDS = 0.02
_LOOK_FOR_GROUPS_SECONDS = 1.0

_Partition = tuple[str, int]


class ConsumerProgress:
    """Knows when every group that commits on a topic is past a record; used with `async with`."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self._prefix = prefix
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
        self._groups: dict[str, int] = {}
        self._groups_looked_for_at = float("-inf")
        self._waiting: dict[asyncio.Future[None], tuple[_Partition, int]] = {}
        self._someone_waits = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._admin.start()
        self._polling = asyncio.create_task(self._poll(), name="acceptance consumer progress")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling
        await self._admin.close()

    async def wait_until_past(self, sent: Sent, timeout_seconds: float) -> bool:
        """Return whether at least one group commits on the record's topic, and all that do got past it in time."""
        through: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[through] = ((f"{self._prefix}{sent.topic}", sent.partition), sent.offset)
        self._someone_waits.set()
        try:
            await asyncio.wait_for(through, patience(timeout_seconds))
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(through, None)
        return True

    async def _poll(self) -> None:
        while True:
            await self._someone_waits.wait()
            try:
                committed = await self._committed_offsets()
            except KafkaError:
                # The coordinator is moving; a wait that fails because of it says so.
                committed = {}
            for through, (partition, offset) in self._waiting.items():
                offsets = committed.get(partition, [])
                if offsets and min(offsets) > offset and not through.done():
                    through.set_result(None)
            if not self._waiting:
                self._someone_waits.clear()
            await asyncio.sleep(_POLL_SECONDS)

    async def _committed_offsets(self) -> dict[_Partition, list[int]]:
        """Return the offset up to which each group that has one has committed, by partition."""
        if time.monotonic() - self._groups_looked_for_at > _LOOK_FOR_GROUPS_SECONDS:
            await self._look_for_groups()
        offsets_of_groups = await asyncio.gather(
            *(self._admin.list_consumer_group_offsets(group, node) for group, node in self._groups.items())
        )
        committed: dict[_Partition, list[int]] = {}
        # A group that committed on a topic but not yet on this partition has read nothing of it: it is not past.
        topics_of_groups = [{partition.topic for partition in offsets} for offsets in offsets_of_groups]
        for partition, _ in self._waiting.values():
            committed[partition] = []
            for offsets, topics in zip(offsets_of_groups, topics_of_groups, strict=True):
                if partition[0] in topics:
                    found = [known.offset for place, known in offsets.items() if tuple(place) == partition]
                    committed[partition].append(found[0] if found else -1)
        return committed

    async def _look_for_groups(self) -> None:
        for group, _ in await self._admin.list_consumer_groups():
            if group not in self._groups:
                self._groups[group] = await self._admin.find_coordinator(group)
        self._groups_looked_for_at = time.monotonic()
