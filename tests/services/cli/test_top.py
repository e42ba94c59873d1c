"""`whopays top` on a real terminal: what it shows, that one server that is away hides no other, and how it ends."""

import json
from dataclasses import replace

import pytest

from schemas.topics import INPUT_TOPICS
from tests.support.command_line import whopays_of
from tests.support.installations import Installation, free_port
from tests.support.kafka import all_consumed, send
from tests.support.messages import account, project
from tests.support.proxies.ways import Ways
from tests.support.terminal import terminal
from tests.support.waiting import until


async def test_who_is_away_is_said_and_everything_else_goes_on(quiet_installation: Installation, ways: Ways) -> None:
    installation, port = quiet_installation, free_port()
    await installation.start(WHOPAYS_METRICS_PORT=str(port))
    await send(installation, [account("acme", "main"), replace(project("acme", "web"), value=b"?")])
    await all_consumed(installation)
    words = ("top", "--every", "1", "--metrics", f"127.0.0.1:{port}")
    async with terminal(*words, environment=installation.environment(TERM="xterm", **ways.environment)) as shown:
        await shown.shows("projects 0 0 s")
        await shown.shows("ms in steps")
        screen = await shown.shows("LOOK dead letters 1 are waiting: 1 Undecodable.")
        assert max(map(len, screen)) <= 80
        assert len(screen) <= 24
        assert screen[-1].startswith("q ends")

        await ways.kafka.cut()
        away = await shown.shows("? Kafka")
        assert any(line.startswith("ok") and "database" in line for line in away)
        await ways.kafka.mend()
        await shown.shows("ok topics")

        await ways.database.cut()
        away = await shown.shows("? database")
        assert any(line.startswith("ok") and "topics" in line for line in away)
        await ways.database.mend()
        await shown.shows("admin-commands, database")

        shown.resize(40, 100)
        await shown.shows("by: 127.0.0.1: 3 partitions")
        narrow = await shown.shows("whopays dead-letters list --waiting; then redrive or discard them.")
        assert max(map(len, narrow)) <= 40
        assert "projects/" in " ".join(narrow), "the place of the dead letter"

        shown.resize(40, 12)
        assert "more below" in (await shown.shows("arrows scroll"))[-1]
        shown.press(" " * 9)
        await shown.shows("0 more below")
        shown.press("q")
        assert await shown.ended() == 0
        assert shown.is_left_as_it_was


async def test_ctrl_c_ends_it_and_no_colour_is_used_where_none_is_wanted(quiet_installation: Installation) -> None:
    environment = quiet_installation.environment(TERM="xterm", NO_COLOR="1")
    async with terminal("top", environment=environment) as shown:
        await shown.shows("No process reads")
        shown.press("\x03")
        assert await shown.ended() == 0
        assert shown.is_left_as_it_was
        assert b"\x1b[3" not in shown.written.replace(b"\x1b[39m", b""), "no colour"


async def test_once_for_pipes(playground: Installation) -> None:
    whopays = whopays_of(playground)
    for words in (("top",), ("top", "--once")):
        said = (await whopays(*words)).expect(0).out
        assert "admin-commands" in said
        assert "\x1b" not in said, "plain where it is no terminal"


async def test_documents_for_programs(playground: Installation) -> None:
    once = (await whopays_of(playground)("top", "--once", "--json")).expect(0).document
    assert [one["topic"] for one in once["topics"]] == list(INPUT_TOPICS)
    (slot,) = once["events"]["slots"]
    assert slot["holder"]
    assert once["events"]["perSecond"] is not None

    words = ("top", "--json", "--every", "0.2")
    async with terminal(*words, environment=playground.environment(TERM="xterm")) as shown:

        async def several() -> list[str] | None:
            lines = shown.written.decode().split("\r\n")[:-1]
            return lines if len(lines) > 1 else None

        first, second, *_ = map(json.loads, await until(several, "a document with each look"))
        assert first.keys() == second.keys() == once.keys()
        assert first["time"] < second["time"]
        assert (first["events"]["perSecond"], second["events"]["perSecond"] is None) == (None, False)
        shown.press("\x03")
        assert await shown.ended() == 0


@pytest.mark.parametrize("where", ("nowhere", "ftp://127.0.0.1:1/metrics", "http:///metrics"))
async def test_what_is_no_address_is_refused(playground: Installation, where: str) -> None:
    assert "say HOST:PORT, or a URL" in (await whopays_of(playground)("top", "--metrics", where)).expect(2).err
