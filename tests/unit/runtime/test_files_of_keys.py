"""Which files are read as an issuer's keys, and that whoever reads too long disturbs nobody."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from workers.runtime.issuers import Issuer
from workers.runtime.tokens import reading
from workers.runtime.tokens.keys import UnusableKeys
from workers.runtime.tokens.reading import LARGEST_DOCUMENT_BYTES, read, source_of


async def _read(path: Path) -> bytes:
    return await read(source_of(Issuer("me", frozenset({"whopays"}), str(path))))


async def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("folder", "it is not a file"), ("pipe", "it is not a file"), ("none", "there is no such file")):
        with pytest.raises(UnusableKeys, match=f"^{why}$"):
            await asyncio.wait_for(_read(tmp_path / name), 60)


async def test_the_largest_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b" " * LARGEST_DOCUMENT_BYTES)
    assert len(await _read(path)) == LARGEST_DOCUMENT_BYTES
    path.write_bytes(b" " * (LARGEST_DOCUMENT_BYTES + 1))
    with pytest.raises(UnusableKeys, match="longer than 256 KiB"):
        await _read(path)


class _Slow:
    """Keys that are read until they are given up, and then all the same."""

    def __init__(self) -> None:
        self.again_seconds = 1.0
        self.thread: threading.Thread | None = None
        self._is_given_up = threading.Event()

    def read(self) -> bytes:
        self.thread = threading.current_thread()
        assert self._is_given_up.wait(60)
        return b"late"

    def give_up(self) -> None:
        self._is_given_up.set()


async def test_who_reads_too_long_is_given_up_and_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_SECONDS", 0.05)
    troubles: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    slow = _Slow()
    with pytest.raises(TimeoutError):
        await read(slow)
    assert slow.thread is not None
    assert slow.thread.daemon
    await asyncio.to_thread(slow.thread.join, 60)
    for _ in range(10):
        await asyncio.sleep(0)
    assert troubles == []
