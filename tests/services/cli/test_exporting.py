"""`whopays export-log`: a file is written as a whole or not at all, and one that exists only with `--force`."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.services.cli.test_send import send
from tests.support.command_line import Whopays

_NOBODY_LISTENS = "postgresql://127.0.0.1:1/x"
_BEFORE = b"an archive of last year\n"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A file that exists, alone in its folder."""
    folder = tmp_path / "archives"
    folder.mkdir()
    file = folder / "log.jsonl"
    file.write_bytes(_BEFORE)
    return file


def beside(file: Path) -> dict[str, bytes]:
    """Return what a file's folder holds."""
    return {one.name: one.read_bytes() for one in file.parent.iterdir()}


async def test_a_file_that_exists_is_not_overwritten(whopays: Whopays, kept: Path) -> None:
    refused = (await whopays("export-log", str(kept))).expect(1)
    assert "exists already. Overwrite it with --force" in refused.err
    assert beside(kept) == {kept.name: _BEFORE}


async def test_force_puts_the_whole_log_in_its_place(whopays: Whopays, kept: Path, tmp_path: Path) -> None:
    await send(whopays, "exported", "ProjectChanged", "project=web", "state=Active", "version=1")
    opened = tmp_path / "as it was"
    opened.hardlink_to(kept)
    said = (await whopays("export-log", str(kept), "--force")).expect(0).out
    assert said == f"Written to {kept}. Check it: whopays verify --offline {kept}\n"
    assert "holds" in (await whopays("verify", "--offline", str(kept))).expect(0).out
    assert opened.read_bytes() == _BEFORE, "the file was written over, not replaced"
    assert list(beside(kept)) == [kept.name]


async def test_what_fails_leaves_the_file_as_it_was(whopays: Whopays, kept: Path) -> None:
    (await whopays("export-log", str(kept), "--force", WHOPAYS_DATABASE_URL=_NOBODY_LISTENS)).expect(1)
    assert beside(kept) == {kept.name: _BEFORE}


async def test_into_a_pipe_goes_the_log_alone(whopays: Whopays, tmp_path: Path) -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as out:
        reading = asyncio.create_task(asyncio.to_thread(out.read))
        try:
            ran = await whopays("export-log", f"/dev/fd/{write}")
        finally:
            os.close(write)
        exported = await reading
    assert ran.expect(0).out == ""
    file = tmp_path / "log.jsonl"
    file.write_bytes(exported)
    (await whopays("verify", "--offline", str(file))).expect(0)
