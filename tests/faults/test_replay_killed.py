"""A process that replays is killed wherever it awaits anything: the target is what an undisturbed run gives.

The same by the role: test_replays_killed.py.
"""

import signal
from collections.abc import AsyncIterator, Callable
from itertools import count

import pytest
import pytest_asyncio

from embedded import Addresses
from tests.faults import failpoints
from tests.faults.replaying import (
    NEVER,
    comes_to,
    content,
    ended,
    foreground_points,
    give_up_for_dead,
    launched,
    planned,
    replay,
    until_now,
)
from tests.services.replaying.telling import say_much
from tests.support.installations import Installation, installed

_IN_SHORT = ("producer.transact: asyncio.shield after", "working.Work._make_target: note_target before")
"""The first moment after something is durable, and one between what two servers keep."""

_NEVER = (
    *NEVER,
    "working.Work._wait",
    "working.Work._send: _renew_in_time",  # only where a rate holds it back, as the role's does
    "working.Work._send: _wait",
    "working.Work._renew_in_time: _renew",  # only in one that takes longer
)


_RUNS = count()


@pytest_asyncio.fixture(scope="module")
async def spoken(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """An installation in which much was said."""
    async with installed(services, template) as made:
        await say_much(made)
        yield made


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_killed_at_every_point(spoken: Installation) -> None:
    await _killed(spoken, lambda _: True)


async def test_killed_at_the_points_between(spoken: Installation) -> None:
    await _killed(spoken, lambda point: point in _IN_SHORT)


@pytest.mark.parametrize(
    "point", ("producer.transact: asyncio.gather after", "working.Work._transact: asyncio.sleep before")
)
async def test_a_zombie_is_fenced(spoken: Installation, point: str) -> None:
    """One that stood still, within a transaction or before one, while another did its work, ends and says so."""
    selection = ("--partitions=2", f"--until={await until_now(spoken)}")
    name, whole = f"z{len(point)}", f"zu{len(point)}"
    status, said = await replay(spoken, "start", whole, *selection)
    assert status == 0, said
    zombie = await launched(spoken, "start", name, *selection, plan={point: failpoints.STOP})
    await comes_to(zombie, point)
    await give_up_for_dead(spoken, name)
    status, said = await replay(spoken, "start", name, *selection)
    assert status == 0, said
    zombie.send_signal(signal.SIGCONT)
    status, said = await ended(zombie)
    assert (status, "nother process" in said) == (1, True), said
    assert await content(spoken, name) == await content(spoken, whole)


@pytest.mark.chaos
async def test_a_snapshot_that_is_killed(spoken: Installation) -> None:
    await _killed(spoken, lambda point: point.startswith(("snapshot.", "reading._of_snapshot")), "--latest")


async def _killed(installation: Installation, chosen: Callable[[str], bool], *words: str) -> None:
    selection, run = ("--partitions=2", f"--until={await until_now(installation)}", *words), next(_RUNS)
    whole = f"whole-{run}"
    status, said = await replay(installation, "start", whole, *selection)
    assert status == 0, said
    undisturbed = await content(installation, whole)
    missed = []
    for number, point in enumerate(foreground_points()):
        if not chosen(point) or (point.startswith(_NEVER) and not words):
            continue
        name = f"killed-{run}-{number}"
        status, said = await replay(installation, "start", name, *selection, plan=planned(point, failpoints.KILL))
        if status != -signal.SIGKILL:
            missed.append(f"{point}: {status} {said[-200:]}")
        await give_up_for_dead(installation, name)
        status, said = await replay(installation, "start", name, *selection)
        assert status == 0, f"{point}: {said}"
        assert await content(installation, name) == undisturbed, point
    assert missed == []
