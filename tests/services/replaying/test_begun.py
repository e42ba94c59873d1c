"""What is begun is what was planned, once, whoever asks at the same time; what can match nothing is not begun."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from db.replays import KeptReplay
from db.shard_ranges import shard_ranges
from db.shards import all_heads
from schemas.replays import ReplayState, Selection, selection_of
from tests.services.replaying.telling import log_of
from tests.support.installations import Installation
from workers.replaying.beginning import ReplayRequest, begin, plan
from workers.replaying.refusal import ReplayRefused
from workers.replaying.working import Work


async def test_what_is_kept_is_what_was_planned(told: Installation) -> None:
    until = max(row.event["time"] for row in await log_of(told))
    selection = selection_of(organization="acme", types=["BindingChanged"], until=until)
    asked = ReplayRequest("planned", selection, partitions=2, rate=5_000)
    planned = await plan(told.engine, told.settings, asked)
    kept = await begin(told.engine, told.settings, asked)
    assert replace(kept, begun_at=planned.begun_at) == planned
    assert not kept.is_detached
    async with told.engine.connect() as connection:
        assert set(kept.spans) == set((await shard_ranges(connection)).shards_of("acme"))
    assert await Work(told.engine, told.settings, "planned", asyncio.Event()).run() is ReplayState.DONE
    assert (await begin(told.engine, told.settings, asked)).state is ReplayState.DONE


async def test_of_two_who_ask_at_once_one_begins(told: Installation) -> None:
    """Into one topic, or under one name."""
    topic = f"{told.prefix}at-once"
    for pair, said in (
        (
            (ReplayRequest("at-once-1", Selection(), topic), ReplayRequest("at-once-2", Selection(), topic)),
            "is another replay's topic, ",
        ),
        (
            (ReplayRequest("at-once-3", Selection()), ReplayRequest("at-once-3", Selection(), f"{topic}-3")),
            "The name at-once-3 is used",
        ),
    ):
        began = await asyncio.gather(
            *(begin(told.engine, told.settings, asked) for asked in pair), return_exceptions=True
        )
        (refused,) = (one for one in began if not isinstance(one, KeptReplay))
        assert isinstance(refused, ReplayRefused)
        assert said in str(refused)


async def test_all_that_there_is_not_is_named(told: Installation) -> None:
    async with told.engine.connect() as connection:
        (shard,) = (await shard_ranges(connection)).shards_of("acme")
        head = (await all_heads(connection))[shard].position
    of_acme: dict[str, Any] = {"organization": "acme"}
    for selection, why in (
        (
            {"organization": "nobody", "project": "web", "account": "main"},
            "nothing is known of an organization nobody",
        ),
        ({**of_acme, "project": "none", "account": "nil"}, "acme has no project none; acme has no account nil"),
        ({**of_acme, "project": "none", "account": "main"}, "acme has no project none"),
        ({**of_acme, "project": "web", "account": "nil"}, "acme has no account nil"),
        (
            {**of_acme, "after": [f"{(shard + 1) % 48}-0"]},
            f"acme is in shard {shard}, of which --after names no event",
        ),
        (
            {"after": [f"{shard}-{head + 1}", "48-0"]},
            (
                f"--after {shard}-{head + 1}: the last event of shard {shard} is {head}; "
                "--after 48-0: there is no shard 48, only 0 to 47"
            ),
        ),
    ):
        with pytest.raises(ReplayRefused) as refused:
            await plan(told.engine, told.settings, ReplayRequest("nothing", selection_of(**selection)))
        assert str(refused.value) == f"Nothing can match: {why}."
