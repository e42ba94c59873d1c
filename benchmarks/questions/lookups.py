"""Who paid, asked of very many projects at once, beside the bare statement."""

import time
from datetime import datetime, timedelta
from itertools import count, islice

import orjson

from benchmarks.failures import BenchmarkFailed
from benchmarks.questions.client import connected, post
from benchmarks.questions.filling import BEGIN, Filled
from benchmarks.questions.report import Measured
from benchmarks.questions.service import Service
from db.placing import shard_of
from db.questions.lookups import Wanted, look_up
from db.reading import reading_pool
from schemas.instants import format_instant
from workers.runtime.settings import Settings

PATH = "/v1/payers/lookup"
_AT_ONCE = 10_000
_CALLS = 10
_STRIDE = 7_919
_DAYS = 31
_STATEMENT = "the statement of a lookup alone"

Pair = tuple[str, str, datetime]


async def lookups(service: Service, settings: Settings, filled: Filled) -> list[Measured]:
    """Measure lookups as JSON, as NDJSON, and their statement."""
    numbers = count(step=_STRIDE)
    pairs = [
        (*filled.project(number), BEGIN + timedelta(days=number % _DAYS))
        for number in islice(numbers, _AT_ONCE * _CALLS)
    ]
    calls = [pairs[first : first + _AT_ONCE] for first in range(0, len(pairs), _AT_ONCE)]
    return [
        await _bare(settings, calls),
        await _as_json(service, calls),
        await _as_lines(service, pairs),
    ]


async def _bare(settings: Settings, calls: list[list[Pair]]) -> Measured:
    times = []
    async with reading_pool(settings.database_url, pool_size=1, statement_seconds=30) as pool, pool.acquire() as asking:
        for call in [calls[0], *calls]:
            organizations, projects, instants = (list(column) for column in zip(*call, strict=True))
            told = [format_instant(at) for at in instants]
            shards = [shard_of(organization, settings.shards) for organization in organizations]
            wanted = Wanted(organizations, projects, list(told), shards)
            began = time.perf_counter()
            answers = await look_up(asking, wanted, told[0], [None] * settings.shards, ",")
            times.append(time.perf_counter() - began)
            _insist(answers.count(b'"known":true'), len(call))
    return Measured(_STATEMENT, _AT_ONCE * _CALLS, _AT_ONCE * _CALLS / sum(times[1:]), times[1:])


async def _as_json(service: Service, calls: list[list[Pair]]) -> Measured:
    bodies = [orjson.dumps({"questions": [_question(pair) for pair in call]}) for call in calls]
    times = []
    async with connected(service.port) as connection:
        await connection.ask(post(PATH, bodies[0], "application/json"))
        with service.metered() as used:
            for body in bodies:
                began = time.perf_counter()
                answer = await connection.ask(post(PATH, body, "application/json"))
                times.append(time.perf_counter() - began)
                _insist(answer.count(b'"known":true'), _AT_ONCE)
    items = _AT_ONCE * _CALLS
    return Measured(
        f"pairs, {_AT_ONCE:,} a call", items, items / sum(times), times, used.cpu_seconds, service.memory_bytes(),
        _STATEMENT,
    )  # fmt: skip


async def _as_lines(service: Service, pairs: list[Pair]) -> Measured:
    body = b"".join(orjson.dumps(_question(pair), option=orjson.OPT_APPEND_NEWLINE) for pair in pairs)
    answers = bytearray()
    async with connected(service.port) as connection:
        with service.metered() as used:
            began = time.perf_counter()
            async for part in connection.stream(post(PATH, body, "application/x-ndjson")):
                answers += part
            seconds = time.perf_counter() - began
    if not answers.endswith(b'"answers":%d}\n' % len(pairs)):
        raise BenchmarkFailed(f"the lookup is not complete: {answers[-200:]!r}")
    _insist(answers.count(b'"known":true'), len(pairs))
    return Measured(
        f"pairs, NDJSON, {len(pairs):,} a call", len(pairs), len(pairs) / seconds, [], used.cpu_seconds,
        service.memory_bytes(), _STATEMENT,
    )  # fmt: skip


def _question(pair: Pair) -> dict[str, str]:
    organization, project, at = pair
    return {"organization": organization, "project": project, "at": format_instant(at)}


def _insist(known: int, asked: int) -> None:
    if known != asked:
        raise BenchmarkFailed(f"{known} of {asked} projects are known")
