"""Questions of people who were granted little: nothing out of reach is told, and nothing after their token ended."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import orjson

from db.placing import shard_of
from tests.faults.judge.tokens import LEEWAY_SECONDS
from tests.faults.matrix import FAILING_WORKER
from tests.faults.mutating import MUTANT_VARIABLE
from tests.faults.stage import Stage
from tests.support.kafka import all_consumed, exactly_published
from tests.support.serving import asking, serving
from tests.support.waiting import patience

_HERE = "/v1/organizations/acme"
_OF_PROJECTS = ({"organization": "acme", "role": "project-owner", "projects": ["p0", "p3*"]},)
_OF_AN_ACCOUNT = ({"organization": "acme", "role": "viewer", "accounts": ["b"]},)
_ELSEWHERE = ({"organization": "elsewhere", "role": "operator"},)
_COUNTS_FOR_SECONDS = 3
_LONGEST_SECONDS = 15.0


async def asked_with_tokens(stage: Stage) -> list[str]:
    """Nothing is broken; people ask for what they may see, and for what they may not."""
    worker = await stage.installation.start()
    await stage.begin()
    await all_consumed(stage.installation)
    await stage.bind("then", "c")
    await exactly_published(stage.installation)
    assert await worker.stop() == 0
    mutant = {} if stage.mutant is None else {MUTANT_VARIABLE: stage.mutant}
    async with serving(stage.installation, module=FAILING_WORKER, **mutant) as server, asking(server) as client:
        found = [wrong async for wrong in _narrow_questions(stage, client)]
        return found + await _stream(stage, client)


async def _narrow_questions(stage: Stage, client: httpx.AsyncClient) -> AsyncIterator[str]:
    seen: dict[str, tuple[Any, set[str], set[str]]] = {
        "of projects": (_OF_PROJECTS, {"p0", "p3"}, set()),
        "of an account": (_OF_AN_ACCOUNT, set(), {"b"}),
    }
    for who, (grants, projects, accounts) in seen.items():
        for kind, names in (("project", projects), ("account", accounts)):
            items = (await _ask(stage, client, f"/{kind}s", grants)).json()["items"]
            told = {item[kind] for item in items}
            if told != names:
                yield f"rights: who was granted {who} sees the {kind}s {sorted(told)}, not {sorted(names)}"
        events = (await _ask(stage, client, "/events", grants, limit="1000")).json()
        if not events or any(not _is_of(event, projects, accounts) for event in events):
            yield f"rights: who was granted {who} is told of others, or of nothing, by events"
    refused = {
        "/projects/p1": _OF_PROJECTS,
        "/projects/unheard-of": _OF_PROJECTS,
        "/accounts/a": _OF_AN_ACCOUNT,
        "/accounts/b": _OF_PROJECTS,
        "/projects/p0/payer": _OF_AN_ACCOUNT,
        "/projects": _ELSEWHERE,
        "/events": _ELSEWHERE,
    }
    for path, grants in refused.items():
        status = (await _ask(stage, client, path, grants)).status_code
        if status != httpx.codes.FORBIDDEN:
            yield f"rights: {path} is answered with {status}, and is out of reach"
    without = await client.get(f"{_HERE}/projects")
    ended = await _ask(stage, client, "/projects", _OF_PROJECTS, exp=int(time.time()) - 600)
    for answer, what in ((without, "no token"), (ended, "a token that has ended")):
        if answer.status_code != httpx.codes.UNAUTHORIZED:
            yield f"rights: who has {what} is answered with {answer.status_code}"


async def _stream(stage: Stage, client: httpx.AsyncClient) -> list[str]:
    """A stream tells what is within reach, from the beginning, until its token counts no longer."""
    ends = int(time.time()) - LEEWAY_SECONDS + _COUNTS_FOR_SECONDS
    headers = _bearing(stage, _OF_PROJECTS, exp=ends) | {"Accept": "text/event-stream"}
    lines: list[str] = []
    try:
        async with asyncio.timeout(patience(_LONGEST_SECONDS)):
            beginning = f"{shard_of('acme', stage.installation.settings.shards)}-0"
            async with client.stream("GET", f"{_HERE}/events", headers=headers, params={"after": beginning}) as answer:
                lines.extend([line async for line in answer.aiter_lines()])
    except TimeoutError:
        return ["rights: a stream outlives its token"]
    if time.time() < ends + LEEWAY_SECONDS:
        return ["rights: a stream ends before its token"]
    told = [orjson.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    if not told or any(not _is_of(event, {"p0", "p3"}, set()) for event in told):
        return ["rights: a stream tells of others, or of nothing"]
    return []


def _is_of(event: Any, projects: set[str], accounts: set[str]) -> bool:
    """Return whether an event tells of a project or an account within reach."""
    data = event["data"]
    return data.get("project") in projects or bool(accounts & set(_accounts(data)))


def _accounts(data: Any) -> Iterator[str]:
    for one in (data, data.get("current"), data.get("previous")):
        if one and "account" in one:
            yield one["account"]


async def _ask(stage: Stage, client: httpx.AsyncClient, path: str, grants: Any, **more: Any) -> httpx.Response:
    headers = _bearing(stage, grants, **{name: more.pop(name) for name in ("exp",) if name in more})
    return await client.get(f"{_HERE}{path}", headers=headers, params=more)


def _bearing(stage: Stage, grants: Any, **claims: Any) -> dict[str, str]:
    assert stage.installation.issuer is not None
    return {"Authorization": f"Bearer {stage.installation.issuer.token('somebody', grants, **claims).decode()}"}
