"""What the proxy does to any connection, shown with an echo server."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.proxies.network import Proxy, Towards

_MOMENTS = 12
"""Between opening a connection and reaching the server behind it."""

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy in front of an echo server, which says goodbye at the end of its input."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1000):
                writer.write(data)
            writer.write(b"bye")
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy(*server.sockets[0].getsockname()) as proxy:
        yield proxy


async def _connected(proxy: Proxy) -> Client:
    client = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await _said(client, b"hello") == b"hello"
    return client


async def _said(client: Client, words: bytes) -> bytes:
    client[1].write(words)
    return await client[0].readexactly(len(words))


async def test_what_is_not_broken_comes_through(proxy: Proxy) -> None:
    reader, writer = await _connected(proxy)
    words = b"word" * 100_000
    assert await _said((reader, writer), words) == words
    writer.write_eof()
    assert await reader.read() == b"bye"
    writer.close()


async def test_severed_and_connected_again(proxy: Proxy) -> None:
    reader, writer = await _connected(proxy)
    assert await proxy.sever() == 1
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    _, writer = await _connected(proxy)
    writer.close()


async def test_cut_refuses_until_it_is_mended(proxy: Proxy) -> None:
    _, writer = await _connected(proxy)
    assert await proxy.cut() == 1
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    await proxy.mend()
    _, writer = await _connected(proxy)
    writer.close()


async def test_cut_while_clients_connect_leaves_nothing_open(proxy: Proxy) -> None:
    for wait in range(_MOMENTS):
        await proxy.mend()
        connecting = asyncio.create_task(asyncio.open_connection("127.0.0.1", proxy.port))
        for _ in range(wait):
            await asyncio.sleep(0)
        await proxy.cut()
        with contextlib.suppress(ConnectionError):
            _, writer = await connecting
            writer.close()
        assert not proxy.links
    # An unclosed socket warns when it is collected, and warnings are errors.
    gc.collect()


async def test_held_arrives_once_it_is_mended(proxy: Proxy) -> None:
    client = await _connected(proxy)
    proxy.hold()
    saying = asyncio.create_task(_said(client, b"late"))
    await proxy.kept_waiting.wait()
    assert not saying.done()
    await proxy.mend()
    assert await saying == b"late"
    client[1].close()


async def test_half_closed_towards_the_server(proxy: Proxy) -> None:
    reader, writer = await _connected(proxy)
    assert proxy.half_close(Towards.SERVER) == 1
    assert await reader.read() == b"bye"
    writer.close()


async def test_half_closed_towards_the_client(proxy: Proxy) -> None:
    reader, writer = await _connected(proxy)
    assert proxy.half_close(Towards.CLIENT) == 1
    assert await reader.read() == b""
    # The other half still works: the server receives, and its answer is lost.
    writer.write(b"anyone?")
    await writer.drain()
    assert len(proxy.links) == 1
    writer.close()


async def test_slow(proxy: Proxy) -> None:
    client = await _connected(proxy)
    proxy.slow_down(delay_seconds=0.05, bytes_per_second=10_000)
    began = time.monotonic()
    await _said(client, b"x" * 1_000)
    assert time.monotonic() - began >= 2 * (0.05 + 0.1)
    assert proxy.delayed == 2
    client[1].close()
