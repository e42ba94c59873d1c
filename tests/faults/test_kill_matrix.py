"""A process is killed at every place where it awaits anything; its successors put everything right."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import failpoints
from tests.faults.checking import all_is_well, closed_beyond_now
from tests.faults.judge import watermarks
from tests.faults.load import Load, loaded
from tests.faults.matrix import TOLD, broken, give_up_for_dead, note_faulty
from tests.faults.points import A_NEW_WATERMARK, CONSUMERS, RELAY, TIMERS, Row, rows
from tests.support.installations import Installation
from tests.support.packages import ROOT
from tests.support.waiting import until
from workers.runtime.roles import ALL_ROLES, Role

_RATE = 40
_IN_SHORT = (
    "transaction.Batches._transaction: move_heads after",
    "transaction.Batches._transaction: begun left",
    "subscription.Subscription.acknowledge: consumer.commit before",
    "producer.transact: asyncio.gather after",
    f"producer.transact: asyncio.shield after, once at {A_NEW_WATERMARK}",
    "takeover.Bound.note: note_published before",
    "timers.Timers._work: _batches.process_due after",
)
"""The last moment before something is durable, and the first one after it."""

_WITHOUT_FAILPOINTS = {
    "workers.process": "starts and ends the roles",
    "workers.runtime.looking": "looks at what is told as metrics, and changes nothing",
    "workers.runtime.steps": "begins and commits as the engine does, for a batch that has failpoints around both",
    "workers.runtime.spans": "sends spans from a thread, and waits for that thread at the end alone",
    "workers.runtime.probes": "answers whoever asks how the process is, and changes nothing",
    "workers.runtime.oauth": "asks for what opens connections to the broker",
    "workers.runtime.tokens.issuing": "keeps an issuer's keys in memory",
    "workers.runtime.tokens.reading": "reads an issuer's keys",
    "workers.runtime.tokens.verifying": "verifies tokens, before a transaction begins, and keeps them in memory",
    "workers.topics.admission": "looks at the topics before anything begins",
    "workers.topics.cluster": "describes topics",
    "workers.topics.plan": "makes and compares topics",
}

of_all_roles = pytest.mark.parametrize("roles", (CONSUMERS, TIMERS, RELAY), ids=("consumers", "timers", "relay"))


def test_every_module_that_works_has_failpoints() -> None:
    """A new module that the composition root reaches, and that awaits anything, must be listed."""
    found, open_ends = set(), ["workers.process"]
    while open_ends:
        name = open_ends.pop()
        if name in found:
            continue
        found.add(name)
        open_ends += _imported(name)
    waiting = {name for name in found if any(isinstance(node, ast.Await) for node in ast.walk(_tree(name)))}
    assert waiting - _WITHOUT_FAILPOINTS.keys() == set(failpoints.MODULES)
    assert waiting >= _WITHOUT_FAILPOINTS.keys()


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@of_all_roles
async def test_killed_at_every_point(guarded_installation: Installation, roles: tuple[Role, ...]) -> None:
    await _killed(guarded_installation, roles, lambda _: True)


@of_all_roles
async def test_killed_at_the_points_between(guarded_installation: Installation, roles: tuple[Role, ...]) -> None:
    await _killed(guarded_installation, roles, lambda row: str(row).partition(": ")[2] in _IN_SHORT)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_killed_wherever_watermarks_are_made(quiet_installation: Installation) -> None:
    await _killed(quiet_installation, RELAY, lambda row: "atermark" in str(row) or row.point.startswith("idle."))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_killed_while_it_is_found_out_who_asks(guarded_installation: Installation) -> None:
    await _killed(guarded_installation, CONSUMERS, lambda row: row.point.startswith("asking."))


async def _killed(installation: Installation, roles: tuple[Role, ...], chosen: Callable[[Row], bool]) -> None:
    await installation.start(*(role for role in ALL_ROLES if role not in roles))
    missed = []
    async with loaded(installation, rate=_RATE, huge_projects=TOLD) as load:
        for row in rows():
            if row.roles == roles and chosen(row):
                print(row, flush=True)
                if not await broken(installation, row, failpoints.KILL):
                    print("    it did not come there", flush=True)
                    missed.append(str(row))
                await give_up_for_dead(installation, roles)
        # Of the relays one at least was killed after its commit. Without any the judge would have nothing to say.
        await until(lambda: _tells_of_watermarks(load), "a watermark while records flow")
    await installation.start(*roles)
    await closed_beyond_now(load, installation.settings.topic_partitions)
    await note_faulty(load)
    await all_is_well(load)
    assert missed == []


async def _tells_of_watermarks(load: Load) -> bool:
    return bool(await watermarks(load))


def _imported(name: str) -> set[str]:
    found = set()
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("workers"):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {module for module in found if _file(module).is_file()}


def _tree(name: str) -> ast.Module:
    return ast.parse(_file(name).read_text(encoding="utf-8"))


def _file(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"
