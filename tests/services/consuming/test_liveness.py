"""Whether a consumer counts as alive: by its own progress, whatever the broker answers."""

from contextlib import nullcontext
from itertools import pairwise

import pytest
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException

from schemas.topics import Topic
from tests.support.command_line import whopays_of
from tests.support.installations import Installation, free_port
from tests.support.waiting import until
from workers.runtime.liveness import Liveness
from workers.runtime.roles import ALL_ROLES, Role
from workers.topics.cluster import administration

_SILENT_SECONDS = 15


def _fetch(liveness: Liveness, error: Exception | None = None, *, has_topic: bool = True) -> None:
    with pytest.raises(type(error)) if error else nullcontext(), liveness.fetching(lambda: has_topic):
        if error is not None:
            raise error


async def test_it_is_alive_as_long_as_it_comes_round() -> None:
    liveness = Liveness(pytest.fail)  # type: ignore[arg-type]
    assert liveness.is_making_progress(), "it has only just begun"
    assert not liveness.is_making_progress()
    _fetch(liveness)
    assert liveness.is_making_progress()
    assert not liveness.is_making_progress(), "nothing since"


async def test_waiting_for_batches_in_work_is_getting_on() -> None:
    liveness = Liveness(pytest.fail)  # type: ignore[arg-type]
    with liveness.handing_over():
        assert liveness.is_making_progress()
        assert liveness.is_making_progress()
        assert liveness.is_making_progress()
    assert not liveness.is_making_progress()


async def test_going_round_in_errors_is_not() -> None:
    """Other partitions may make progress while one hangs."""
    liveness = Liveness(pytest.fail)  # type: ignore[arg-type]
    _fetch(liveness)
    _fetch(liveness, CorruptRecordException())
    _fetch(liveness)
    assert not liveness.is_making_progress()
    _fetch(liveness)
    assert liveness.is_making_progress()


async def test_fetching_from_a_topic_that_is_gone_is_not() -> None:
    liveness = Liveness(pytest.fail)  # type: ignore[arg-type]
    assert liveness.is_making_progress(), "it has only just begun"
    _fetch(liveness, has_topic=False)
    assert not liveness.is_making_progress()
    _fetch(liveness)
    _fetch(liveness, has_topic=False)
    assert liveness.is_making_progress(), "it was there just now"


async def test_what_is_no_error_of_kafka_ends_the_process() -> None:
    failed: list[BaseException] = []
    liveness = Liveness(failed.append)
    _fetch(liveness, ConsumerStoppedError())
    assert failed == []
    fault = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    _fetch(liveness, fault)
    assert failed == [fault]
    assert not liveness.is_making_progress()


async def test_all_roles_of_a_process_show_life_again_and_again(quiet_installation: Installation) -> None:
    port = {"WHOPAYS_METRICS_PORT": str(free_port())}
    await quiet_installation.start(**port)
    whopays = whopays_of(quiet_installation)
    ages: list[dict[str, float]] = []

    async def renewed() -> bool:
        ages.append((await whopays("health", "--json", **port)).document["secondsSinceLastSignOfLife"])
        # A role that shows life again has a more recent sign than before.
        again = {role for before, later in pairwise(ages) for role in later if later[role] < before.get(role, 0)}
        return again >= set(map(str, ALL_ROLES))

    await until(renewed, "a second sign of life of each role")


async def test_a_role_whose_topic_is_gone_falls_silent(quiet_installation: Installation) -> None:
    port = {"WHOPAYS_METRICS_PORT": str(free_port())}
    await quiet_installation.start(**port)
    whopays = whopays_of(quiet_installation)
    async with administration(quiet_installation.settings) as admin:
        await admin.delete_topics([quiet_installation.settings.topic(Topic.PROJECTS)])

    async def ages() -> dict[str, float]:
        found: dict[str, float] = (await whopays("health", "--json", **port)).document["secondsSinceLastSignOfLife"]
        return found

    async def has_fallen_silent() -> bool:
        found = await ages()
        # A role that has yet to show its first sign of life is neither silent nor alive.
        return found.get(Role.PROJECTS, 0) > _SILENT_SECONDS > found.get(Role.ADMIN_COMMANDS, _SILENT_SECONDS)

    await until(has_fallen_silent, "the silence of the role whose topic is gone", 90)
