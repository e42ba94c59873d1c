"""A process is killed at every place where it awaits anything; those after it put everything right."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import workers
from tests.faults import failpoints
from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.matrix import TOLD, broken, give_up_for_dead, note_faulty
from tests.faults.points import CONSUMERS, RELAY, TIMERS, Row, rows
from tests.installations import Installation
from workers.roles import ALL_ROLES, Role

_RATE = 40
_IN_SHORT = (
    "batch.Batches._transaction: move_heads after",
    "batch.Batches._transaction: _engine.begin left",
    "consumer._Source.acknowledge: consumer.commit before",
    "relay.Relay._transact: asyncio.gather after",
    "relay.Relay._transact: asyncio.shield after",
    "takeover.Bound.note: note_published before",
    "timers.Timers._work: _batches.settle_due after",
)
"""The last moment before something is durable, and the first one after it."""

_WITHOUT_FAILPOINTS = {
    "workers.running": "starts and ends the roles",
    "workers.admission": "looks at the topics before anything begins",
    "workers.cluster": "describes topics",
    "workers.topics": "makes and compares topics",
    "workers.liveness": "watches a fetch whose failures are those of the network",
}

of_all_roles = pytest.mark.parametrize("roles", (CONSUMERS, TIMERS, RELAY), ids=("consumers", "timers", "relay"))


def test_every_module_that_works_has_failpoints() -> None:
    """A new module is reached from the composition root, and awaits something."""
    found, open_ends = set(), ["workers.running"]
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
async def test_killed_at_every_point(quiet_installation: Installation, roles: tuple[Role, ...]) -> None:
    await _killed(quiet_installation, roles, lambda _: True)


@of_all_roles
async def test_killed_at_the_points_between(quiet_installation: Installation, roles: tuple[Role, ...]) -> None:
    await _killed(quiet_installation, roles, lambda row: row.point in _IN_SHORT)


async def _killed(installation: Installation, roles: tuple[Role, ...], chosen: Callable[[Row], bool]) -> None:
    await installation.start(*(role for role in ALL_ROLES if role not in roles))
    missed = []
    async with loaded(installation, rate=_RATE, huge_projects=TOLD) as load:
        for row in rows():
            if row.roles == roles and chosen(row):
                print(row, flush=True)
                if not await broken(installation, row, failpoints.KILL):
                    missed.append(str(row))
                await give_up_for_dead(installation, roles)
    await installation.start(*roles)
    await note_faulty(load)
    await all_is_well(load)
    assert missed == []


def _imported(name: str) -> set[str]:
    return {
        node.module
        for node in ast.walk(_tree(name))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("workers.")
    }


def _tree(name: str) -> ast.Module:
    folder = Path(str(workers.__file__)).parent
    return ast.parse((folder / f"{name.removeprefix('workers.').replace('.', '/')}.py").read_text(encoding="utf-8"))
