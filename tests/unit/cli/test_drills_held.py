"""Where a drill takes place, without its servers: what counts as visible, and how parts are stopped and started."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cli.drill import site as module
from cli.drill.drills import DRILLS, is_visible
from cli.drill.site import PARTS, Site
from cli.operating.standing import Section, Standing, Verdict
from tests.support.waiting import until
from workers.runtime.settings import Settings


def _standing(what: str, verdict: Verdict) -> Standing:
    return Standing(verdict, what, "It is so.", "", Section.AUDITING)


@pytest.mark.parametrize("name", DRILLS)
def test_what_is_broken_shows_where_something_of_it_is_not_well(name: str) -> None:
    drill = DRILLS[name]
    for what in drill.shows:
        for verdict, shows in (
            (Verdict.TROUBLE, True), (Verdict.UNKNOWN, True), (Verdict.WELL, False), (Verdict.NOTE, False),
        ):  # fmt: skip
            assert is_visible(drill, [_standing("topics", Verdict.WELL), _standing(what, verdict)]) is shows
    assert not is_visible(drill, [_standing("maintenance", Verdict.TROUBLE)]), "something else"
    assert not is_visible(drill, [])


class _Held:
    """A site whose processes do nothing; `said` is what it told, `kafka` what was asked of the broker."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.kafka: list[str] = []
        services: Any = self
        self.site = Site(Settings(), services, folder, self.said.append)

    def halt_kafka(self) -> None:
        self.kafka.append("halted")

    def resume_kafka(self) -> None:
        self.kafka.append("resumed")

    def process(self, part: str) -> asyncio.subprocess.Process:
        return self.site._running[part]

    async def ask(self, *words: str) -> int:
        process = await asyncio.create_subprocess_exec(self.site.script, *words, stderr=asyncio.subprocess.DEVNULL)
        return await process.wait()

    async def ask_and_hear(self, *words: str) -> None:
        before = len(self.said)
        assert await self.ask(*words) == 0

        async def heard() -> bool:
            return len(self.said) > before

        await until(heard, "what became of it")

    async def has_begun(self, part: str) -> str:
        log = self.site.folder / f"{part}.log"

        async def written() -> str | None:
            return log.read_text() or None

        return await until(written, "what the process was called with")


@pytest_asyncio.fixture
async def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Held]:
    idle = tmp_path / "idle"
    # It hears no SIGTERM where there is such a file.
    idle.write_text('#!/bin/sh\n[ -e "$(dirname "$0")/deaf" ] && trap "" TERM\necho "$@"\nexec sleep 600\n')
    idle.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(idle))
    one = _Held(tmp_path)
    async with one.site.serving_requests():
        try:
            yield one
        finally:
            await one.site.close()


async def test_a_part_is_started_once_and_writes_its_own_log(held: _Held) -> None:
    await held.site.do("start", "relay")
    first = held.process("relay")
    await held.site.do("start", "relay")
    assert held.process("relay") is first, "it runs already"
    assert await held.has_begun("relay") == f"-m cli {' '.join(PARTS['relay'])}\n"
    await held.site.do("restart", "relay")
    assert first.returncode == -signal.SIGTERM
    assert held.process("relay").pid != first.pid
    await held.site.do("stop", "relay")
    assert held.site._alive() == set()
    await held.site.do("stop", "relay")


async def test_whoever_hangs_is_ended_by_force(held: _Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.05)
    (held.site.folder / "deaf").touch()
    await held.site.start("relay")
    await held.has_begun("relay")
    hanging = held.process("relay")
    held.site.hang("relay")
    await held.site.do("restart", "relay")
    assert hanging.returncode == -signal.SIGKILL
    assert held.site._alive() == {"relay"}


async def test_whoever_is_killed_may_be_started_again(held: _Held) -> None:
    await held.site.start("projects")
    killed = held.process("projects")
    await held.site.kill("projects")
    assert killed.returncode == -signal.SIGKILL
    await held.site.do("start", "projects")
    os.kill(held.process("projects").pid, signal.SIGKILL)
    await held.process("projects").wait()
    await held.site.do("start", "projects")
    assert held.process("projects").returncode is None, "one that ended by itself, too"


async def test_the_script_asks_and_what_there_is_not_is_said(held: _Held) -> None:
    for words in (("start", "relay"), ("stop", "kafka"), ("start", "kafka"), ("begin", "relay"), ("start", "tea")):
        await held.ask_and_hear(*words)
    assert held.said == [
        "service: start relay: done.",
        "service: stop kafka: done.",
        "service: start kafka: done.",
        "service: there is no begin relay. Parts are projects, commands, relay, auditor, kafka.",
        "service: there is no start tea. Parts are projects, commands, relay, auditor, kafka.",
    ]
    assert held.site._alive() == {"relay"}
    assert held.kafka == ["halted", "resumed"]
    assert await held.ask("start") == 2
