"""Envelopes as producers write them, on real servers: they are accepted, passed on, and leak nothing."""

import asyncio
from base64 import b64decode
from dataclasses import replace
from typing import Any
from urllib.request import urlopen

from sqlalchemy import text

from tests.support.command_line import whopays_of
from tests.support.installations import Installation, free_port
from tests.support.kafka import Published, dead_letters, exactly_published, results, send
from tests.support.messages import Said, account, bind, command, profile, project
from tests.support.waiting import until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = b"Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmVk"
TOKEN_HEADERS = (("authorization", SECRET), ("Authorization", b"Basic YTpi"), ("CE_authorization", SECRET))


def _traced(said: Said) -> Said:
    return replace(said, headers=(*said.headers, ("traceparent", TRACE.encode())))


def _broken(said: Said) -> Said:
    return replace(said, value=(said.value or b"")[:-1], headers=(*said.headers, *TOKEN_HEADERS, ("x", b"y")))


def _headers_of(letter: dict[str, object]) -> dict[str, bytes]:
    listed = letter["headers"]
    assert isinstance(listed, list)
    return {one["name"]: b64decode(one["value"]) for one in listed}


async def test_a_malformed_attribute_costs_nothing_but_its_count(quiet_installation: Installation) -> None:
    installation, port = quiet_installation, free_port()
    await installation.start(WHOPAYS_METRICS_PORT=str(port))
    odd: dict[str, Any] = {"ce_traceparent": "", "ce_correlationid": [1], "ce_time": "now"}
    await send(installation, [profile("acme", **odd), project("acme", "web", **odd, ce_expirytime="never")])
    await send(installation, [account("acme", "main", **odd)])
    await exactly_published(installation)
    await send(installation, [bind("acme", "web", "main", "traced", **odd)])
    unknown = project("acme", "web", 2, state="Gone", **odd)
    await send(installation, [unknown, _traced(bind("acme", "web", "main", "in-header"))])
    found = await exactly_published(installation)
    answered = results(found)
    assert [answered[name]["outcome"] for name in ("create-main", "traced", "in-header")] == [
        "Applied", "Applied", "Unchanged",
    ]  # fmt: skip
    traced = [one.event["causationid"] for one in found if "traceparent" in one.event]
    assert traced == ["in-header"]

    async def counted() -> dict[str, int] | None:
        counts = await asyncio.to_thread(_ignored, port)
        return counts if counts["traceparent"] == 5 else None

    assert await until(counted, "the counts") == {"correlationid": 5, "traceparent": 5, "time": 5, "expirytime": 1}


async def test_a_dead_letter_passes_on_what_may_be_and_keeps_no_token(quiet_installation: Installation) -> None:
    installation = quiet_installation
    worker = await installation.start(WHOPAYS_LOG_LEVEL="DEBUG")
    said: dict[str, Any] = {"ce_correlationid": "order 12", "ce_traceparent": TRACE}
    broken = [
        _broken(command("BindProject", "torn", "acme", binary=True, project="web", account="main", **said)),
        _broken(project("acme", "web", binary=True, ce_id="torn-too", **said)),
        _broken(project("acme", "web", **said)),
    ]
    await send(installation, broken)
    found = await exactly_published(installation)
    letters: list[Published] = [one for one in found if one.event["type"].endswith("DeadLetter.v1")]
    assert len(letters) == len(dead_letters(found)) == 3
    passed_on = {
        one.event.get("causationid"): (one.event.get("correlationid"), one.event.get("traceparent")) for one in letters
    }
    assert passed_on == {"torn": ("order 12", TRACE), "torn-too": ("order 12", TRACE), None: (None, None)}
    for letter in dead_letters(found):
        assert {name.lower() for name in _headers_of(letter)}.isdisjoint({"authorization", "ce_authorization"})
        assert _headers_of(letter)["x"] == b"y"
    async with installation.engine.connect() as connection:
        kept = (await connection.execute(text("SELECT header_names, header_values FROM dead_letters"))).all()
    assert len(kept) == 3
    for row in kept:
        assert [name for name in row.header_names if b"authorization" in name.lower()] == []
        assert SECRET not in row.header_values
    assert not any("eyJ" in line for line in worker.lines)
    # The redriven record has no token either, and becomes a dead letter again.
    (await whopays_of(installation)("dead-letters", "redrive", "--reason", "Undecodable")).expect(0)
    again = dead_letters(await exactly_published(installation))
    assert len(again) == 6
    assert all({"authorization", "Authorization"}.isdisjoint(_headers_of(letter)) for letter in again)


def _ignored(port: int) -> dict[str, int]:
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    name = "whopays_attributes_ignored_total"
    counts = [line.removeprefix(name) for line in lines if line.startswith(f"{name}{{")]
    return {line.split('"')[1]: int(float(line.split()[-1])) for line in counts}
