"""A proxy that knows Kafka's requests and their answers, and can hold back or swallow a chosen one.

A broker advertises its own address, and clients would then bypass the proxy: so its answers are rewritten. Requests are
those that aiokafka sends, in the versions that it knows.
"""

import asyncio
import struct
from collections import defaultdict, deque
from collections.abc import Iterator
from enum import IntEnum
from types import ModuleType
from typing import Any

from aiokafka.protocol import commit, coordination, metadata, produce, transaction

from tests.support.proxies.network import Link, Proxy, Towards

_LENGTH = struct.Struct(">i")
_REQUEST = struct.Struct(">ihhi")
_ANSWER = struct.Struct(">ii")


class ApiKey(IntEnum):
    """Kinds of request."""

    PRODUCE = 0
    METADATA = 3
    OFFSET_COMMIT = 8
    FIND_COORDINATOR = 10
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26


class HeldRequest:
    """A request in flight that does not arrive; `caught` is set once there is one."""

    def __init__(self) -> None:
        self.caught = asyncio.Event()
        self._link: Link | None = None
        self._delivered = asyncio.Event()
        self.answer: asyncio.Future[set[int]] = asyncio.get_running_loop().create_future()

    def give_up(self) -> None:
        """Cut the client's connection, leaving it in doubt about its request; the one to the broker stays open."""
        assert self._link is not None
        self._link.reset(Towards.CLIENT)

    async def deliver(self) -> set[int]:
        """Deliver it to the broker, and return the error codes of the answer: {0} if there was no error."""
        self._delivered.set()
        return await self.answer

    async def catch(self, link: Link) -> None:
        """Wait until the request may be delivered."""
        self._link = link
        self.caught.set()
        await self._delivered.wait()


class KafkaProxy(Proxy):
    """A proxy in front of the only broker of a cluster."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._holds: dict[int, deque[HeldRequest | None]] = defaultdict(deque)
        self._swallows: dict[int, deque[asyncio.Future[set[int]]]] = defaultdict(deque)
        self._unanswered: dict[Link, dict[int, tuple[int, int, HeldRequest | None]]] = {}

    def hold_back(self, key: ApiKey, *, after: int = 0) -> HeldRequest:
        """Hold back the next request of a kind, and what its client sends after it on the same connection.

        The first `after` requests of that kind are let through.
        """
        held = HeldRequest()
        self._holds[key].extend([*[None] * after, held])
        return held

    def swallow_answer(self, key: ApiKey) -> asyncio.Future[set[int]]:
        """Swallow the answer to the next request of a kind that succeeds, and cut its client's connection.

        The future is done when that has happened.
        """
        swallowed: asyncio.Future[set[int]] = asyncio.get_running_loop().create_future()
        self._swallows[key].append(swallowed)
        return swallowed

    def joined(self, link: Link) -> None:
        self._unanswered[link] = {}

    def left(self, link: Link) -> None:
        for _, _, held in self._unanswered.pop(link).values():
            if held is not None:
                held.answer.cancel()

    async def read(self, link: Link, towards: Towards) -> bytes:
        source = link.source(towards)
        try:
            length = await source.readexactly(_LENGTH.size)
        except asyncio.IncompleteReadError as end:
            if end.partial:
                raise
            return b""
        return length + await source.readexactly(_LENGTH.unpack(length)[0])

    async def passing(self, link: Link, towards: Towards, data: bytes) -> bytes:
        if towards is Towards.SERVER:
            return await self._request(link, data)
        return self._answer(link, data)

    async def _request(self, link: Link, frame: bytes) -> bytes:
        _, key, version, correlation = _REQUEST.unpack_from(frame)
        held = self._holds[key].popleft() if self._holds[key] else None
        self._unanswered[link][correlation] = key, version, held
        if held is None:
            return frame
        await held.catch(link)
        await link.send(Towards.SERVER, frame)
        # The end of the client's connection must not overtake its request.
        await asyncio.wait([held.answer])
        return b""

    def _answer(self, link: Link, frame: bytes) -> bytes:
        key, version, held = self._unanswered[link].pop(_ANSWER.unpack_from(frame)[1])
        if held is not None:
            held.answer.set_result(_error_codes(key, version, frame))
        elif self._swallows[key] and (codes := _error_codes(key, version, frame)) == {0}:
            link.reset(Towards.CLIENT)
            self._swallows[key].popleft().set_result(codes)
            return b""
        return self._rewritten(key, version, frame)

    def _rewritten(self, key: int, version: int, frame: bytes) -> bytes:
        """Return an answer in which the broker's address is the proxy's."""
        # whopays encodes this version itself, only to ask about topics, and ignores the addresses in the answer.
        if key not in (ApiKey.METADATA, ApiKey.FIND_COORDINATOR) or (key, version) not in _ANSWERS:
            return frame
        answer = _decoded(key, version, frame)
        if key == ApiKey.METADATA:
            if len(answer.brokers) > 1:
                raise ValueError("this proxy stands for a single broker")
            answer.brokers = [(node, "127.0.0.1", self.port, *rest) for node, _, _, *rest in answer.brokers]
        elif answer.error_code == 0:
            answer.host, answer.port = "127.0.0.1", self.port
        body: bytes = frame[_LENGTH.size : _ANSWER.size] + answer.encode()
        return _LENGTH.pack(len(body)) + body


def _decoded(key: int, version: int, frame: bytes) -> Any:
    return _ANSWERS[key, version].decode(frame[_ANSWER.size :])


def _error_codes(key: int, version: int, frame: bytes) -> set[int]:
    return set(_codes_in(_decoded(key, version, frame).to_object()))


def _codes_in(value: Any) -> Iterator[int]:
    if isinstance(value, list):
        for one in value:
            yield from _codes_in(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "error_code":
                yield one
            else:
                yield from _codes_in(one)


def _answers(*modules: ModuleType) -> dict[tuple[int, int], Any]:
    requests = [one for module in modules for one in vars(module).values() if hasattr(one, "RESPONSE_TYPE")]
    # Requests with tagged headers are of no kind that is inspected.
    return {(one.API_KEY, one.API_VERSION): one.RESPONSE_TYPE for one in requests if not one.FLEXIBLE_VERSION}


_ANSWERS = _answers(commit, coordination, metadata, produce, transaction)
