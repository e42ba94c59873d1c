"""Where a drill takes place, without its servers: what counts as visible, and how parts are stopped and started."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cli.drill import performance
from cli.drill import site as module
from cli.drill.drills import DRILLS, is_visible
from cli.drill.incidents import _Rubbish, run
from cli.drill.site import AT_WORK, PARTS, Site, silent
from cli.operating.standing import Section, Standing, Verdict
from cli.terminal.ending import CommandFailed
from schemas.topics import Topic
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


_IDLE = """#!/bin/sh
[ -e "$(dirname "$0")/deaf" ] && trap "" TERM
echo "$@"
case "$3 $4" in "run --only" | "verify --watch") exec sleep 600 ;; esac
[ ! -e "$(dirname "$0")/failing" ]
"""
"""A process that does nothing: a part of the installation for long, a command at once."""


@pytest_asyncio.fixture
async def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Held]:
    idle = tmp_path / "idle"
    # It hears no SIGTERM where there is such a file.
    idle.write_text(_IDLE)
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
    assert os.getsid(first.pid) == first.pid, "Ctrl-C in the terminal is for the drill alone"
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
    modes = [(held.site.folder / name).stat().st_mode & 0o777 for name in ("service", "requests")]
    assert modes == [0o700, 0o600], "for whoever holds the drill"


async def test_what_breaks_and_what_the_runbook_does_about_it(held: _Held, capfd: pytest.CaptureFixture[str]) -> None:
    site = held.site
    for part in AT_WORK:
        await site.start(part)
    before = {part: held.process(part) for part in AT_WORK}
    await DRILLS["relay"].breaks(site)
    stopped = await asyncio.to_thread(os.waitid, os.P_PID, before["relay"].pid, os.WSTOPPED | os.WNOWAIT)
    assert stopped is not None
    assert stopped.si_status == signal.SIGSTOP
    os.kill(before["relay"].pid, signal.SIGCONT)
    await DRILLS["relay"].mends(site)
    assert held.process("relay").pid != before["relay"].pid
    await DRILLS["worker"].breaks(site)
    assert before["projects"].returncode == -signal.SIGKILL
    await DRILLS["worker"].mends(site)
    assert site._alive() == {*AT_WORK}
    await DRILLS["kafka"].breaks(site)
    await DRILLS["kafka"].mends(site)
    assert held.kafka == ["halted", "resumed"]
    capfd.readouterr()
    await DRILLS["rubbish"].mends(site)
    said = [line for line in capfd.readouterr().out.splitlines() if line.startswith("$")]
    assert [line.split()[:4] for line in said] == [
        ["$", "whopays", "dead-letters", "list"],
        ["$", "whopays", "dead-letters", "discard"],
    ]
    assert before["commands"].returncode is None, "it is touched by no other"


async def test_a_command_that_fails_ends_the_drill_unless_that_is_expected(held: _Held) -> None:
    await run("verify", "now")
    await run("verify", "now", fails=True)
    (held.site.folder / "failing").touch()
    await run("verify", "now", fails=True)
    with pytest.raises(CommandFailed, match=r"^whopays verify now failed\.$"):
        await run("verify", "now")


async def test_enter_is_heard_until_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard, terminal = pty.openpty()
    pressed: list[str] = []

    async def is_heard() -> bool:
        return bool(pressed)

    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with performance._enter(lambda: pressed.append("Enter")):
            os.write(keyboard, b"\n")
            await until(is_heard, "the key")
        os.write(keyboard, b"\n")
        for _ in range(10):
            await asyncio.sleep(0)
    os.close(keyboard)
    nobody, end = os.pipe()
    with os.fdopen(nobody) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with performance._enter(lambda: pressed.append("of nobody")):
            os.write(end, b"\n")
            for _ in range(10):
                await asyncio.sleep(0)
    os.close(end)
    assert pressed == ["Enter"]


def test_what_a_drill_says_beside_its_commands_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    performance._say("3 findings left.")
    assert capsys.readouterr() == ("", "3 findings left.\n")


def test_rubbish_is_half_an_event_of_acme() -> None:
    rubbish = _Rubbish({"number": 7}, Topic.PROJECTS)
    assert rubbish.key == b"acme"
    assert rubbish.value.startswith(b'{"specversion": "1.0"')
    assert rubbish.value.endswith(b'"organization": "acme", 7')


def test_what_is_sent_in_a_drill_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    fact = module._fact("project-3", 8)
    assert (fact.key, fact.topic, fact.organization) == (b"acme", Topic.PROJECTS, "acme")
    assert fact.event["data"] == {"organization": "acme", "project": "project-3", "state": "Active", "version": 8}
    assert (fact.event["id"], fact.event["source"]) == ("project-3-8", "/drill")
    monkeypatch.setenv("WHOPAYS_SHARDS", "3")
    monkeypatch.setenv("OTHER", "3")
    assert "WHOPAYS_SHARDS" not in silent()
    assert silent()["OTHER"] == "3"


@pytest.mark.parametrize("is_solved", (True, False))
async def test_hints_come_one_by_one_and_then_the_page(
    held: _Held, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_solved: bool
) -> None:
    async def at_once(*_: Any) -> list[Standing]:
        return [_standing("Kafka", Verdict.TROUBLE), _standing("topics", Verdict.WELL)]

    waited: list[list[str]] = []

    async def well(_: Any) -> None:
        waited.append([*held.kafka])

    monkeypatch.setattr(performance, "_when_it_shows", at_once)
    monkeypatch.setattr(performance, "_until_well", well)
    drill = DRILLS["kafka"]
    seconds = await performance._practise(drill, held.site, is_solved=is_solved, is_automatic=False)
    assert 0 <= seconds < 3600
    said = capsys.readouterr().out
    hints = [line.removeprefix("Hint: ") for line in said.splitlines() if line.startswith("Hint: ")]
    assert hints == ([*drill.hints, f"docs/operations.md#{drill.section} has it all."] if is_solved else [])
    for words in (
        f"{drill.alert}: {drill.page}",
        "Kafka",
        f"Logs are in {held.site.folder}",
        f"{held.site.script} restart relay",
        "export WHOPAYS_DATABASE_URL='",
        "export WHOPAYS_KAFKA_BOOTSTRAP_SERVERS='",
        "export WHOPAYS_AUTH='",
    ):
        assert words in said
    assert ("Enter gives a hint; Ctrl-C ends the drill." in said) is not is_solved
    assert "topics" not in said, "only what is not well"
    assert held.kafka == [], "whoever practises mends it"
    assert waited == [[]], "until all is well"
    assert 0 <= await performance._practise(drill, held.site, is_solved=False, is_automatic=True) < 3600
    assert held.kafka == ["resumed"]
    assert waited == [[], ["resumed"]], "mended first"
    assert "Mend it." not in capsys.readouterr().out
