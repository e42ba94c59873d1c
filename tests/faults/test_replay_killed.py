"""A process that replays is killed wherever it awaits anything: the target is what an undisturbed run gives."""

import signal
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from embedded import Addresses
from tests.faults import failpoints
from tests.faults.replaying import comes_to, ended, give_up_for_dead, launched, points, replay
from tests.services.replaying.telling import now, records_of, say_much, told
from tests.support.installations import Installation, installed

_IN_SHORT = (
    "producer.transact: asyncio.gather after",
    "producer.transact: asyncio.shield after",
    "working.Work._work: _publish after",
    "working.Work._make_target: note_target before",
)
"""The last moment before something is durable, and the first one after it."""

_NEVER = (
    "producer.producing: producer.client.close",  # only where a producer does not end by itself
    "working.Work.run: fail_replay",  # only where a replay fails
    "working.Work.run: _engine.begin",
    "working.Work._until_shown: _wait",  # only where a broker is slow
    "working.Work._wait",
    "working.Work._send: _renew_in_time",  # only where a rate holds it back
    "working.Work._send: _wait",
    "snapshot.",  # of snapshots, below
    "reading._of_snapshot",
    "reading.selected: find_last",
    "target.remove_target",
    "target.refuse_unfit",
    "target.last_ids",  # before anything is begun, and as part of insist_on_agreement
)
"""Where a replay in the foreground does not come, or what is tried by others."""

_TRIED_AGAIN = (
    "working.Work._publish: sending (3)",
    "working.Work.run: _owns",
    "working.Work.run: _wait",
    "working.Work._owns",
)
"""Where a replay comes once something went wrong."""


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
    selection = ("--partitions=2", f"--until={await _until(spoken)}")
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
    undisturbed, found = [[told(one) for one in await records_of(spoken, _topic(spoken, of))] for of in (whole, name)]
    assert _without_name(found, name) == _without_name(undisturbed, whole)


@pytest.mark.chaos
async def test_a_snapshot_that_is_killed(spoken: Installation) -> None:
    await _killed(spoken, lambda point: point.startswith(("snapshot.", "reading._of_snapshot")), "--latest")


async def _killed(installation: Installation, chosen: Callable[[str], bool], *words: str) -> None:
    until = await _until(installation)
    selection = ("--partitions=2", f"--until={until}", *words)
    status, said = await replay(installation, "start", _named("u", *words), *selection)
    assert status == 0, said
    undisturbed = [told(one) for one in await records_of(installation, _topic(installation, _named("u", *words)))]
    assert sum(map(len, undisturbed)) > 10
    missed = []
    for number, point in enumerate(points()):
        if not chosen(point) or (point.startswith(_NEVER) and not words):
            continue
        name = _named(f"k{number}", *words)
        before = {"working.Work._publish: sending after": failpoints.ERROR} if point.startswith(_TRIED_AGAIN) else {}
        plan = {**before, point: failpoints.KILL}
        status, said = await replay(installation, "start", name, *selection, plan=plan)
        if status != -signal.SIGKILL:
            missed.append(f"{point}: {status} {said[-200:]}")
        await give_up_for_dead(installation, name)
        status, said = await replay(installation, "start", name, *selection)
        assert status == 0, f"{point}: {said}"
        found = [told(one) for one in await records_of(installation, _topic(installation, name))]
        assert _without_name(found, name) == _without_name(undisturbed, _named("u", *words)), point
    assert missed == []


async def _until(installation: Installation) -> str:
    from tests.services.replaying.telling import close

    instant = await now(installation)
    await close(installation)
    return instant


def _named(name: str, *words: str) -> str:
    return f"{name}-{len(words)}"


def _topic(installation: Installation, name: str) -> str:
    return f"{installation.prefix}replay.{name}"


def _without_name(found: list[list[tuple[object, ...]]], name: str) -> str:
    return repr(found).replace(name, "NAME")
