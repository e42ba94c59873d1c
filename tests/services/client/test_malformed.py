"""Records that are no events, and topics that are not there."""

from typing import Any

import orjson
import pytest

from tests.services.client.acting import Written, changed, event, make_topic, notice, story, write
from tests.services.client.reading import numbers, read_all, reading
from whopays_client import (
    Connection,
    Malformed,
    ProjectBillingNotice,
    SQLiteStore,
    Subscriber,
    TopicMissing,
)


async def test_records_that_are_no_events_are_told_or_skipped_as_one_chooses(
    stage: Connection, store: SQLiteStore
) -> None:
    later = event("BindingRenamed", "7-1", "acme/web", {})
    foreign: list[Written] = [(b"acme/web", later), (b"acme/old", None), (b"x", b"not JSON")]
    await write(stage, "bindings", [*story("web", 1), *foreign, *story("web", 1, first=2)])
    with pytest.raises(Malformed, match="bindings/0/3"):
        await read_all(reading(stage, store))
    assert await read_all(reading(stage, store, on_malformed="skip")) == numbers("web", 1, 2)
    value = changed("web", 3, "a3", 3)[1]
    assert value is not None
    await write(stage, "bindings", [(b"acme/web", value.replace(b'"Bound"', b'"Unheard"'))])
    with pytest.raises(Malformed, match="change"):
        await read_all(reading(stage, store))


@pytest.mark.parametrize("spoilt", ({"id": "another"}, {"id": 7}, {"subject": None}))
async def test_a_notice_with_a_foreign_envelope_is_told_or_skipped(
    stage: Connection, store: SQLiteStore, spoilt: dict[str, Any]
) -> None:
    key, value = notice("web", 2)
    bad: Written = (key, orjson.dumps({**orjson.loads(value or b""), **spoilt}))
    await make_topic(stage, "notices", 1)
    await write(stage, "notices", [notice("web", 1), bad, notice("web", 3)])

    async def read(on_malformed: Any) -> list[int]:
        options = {"until_end": True, "on_malformed": on_malformed}
        async with Subscriber(stage, store, "reader", [ProjectBillingNotice], **options) as subscriber:
            return [change.heard.order async for change in subscriber]

    with pytest.raises(Malformed, match="notices/0/1"):
        await read("raise")
    assert await read("skip") == [1, 3]


async def test_a_topic_that_is_missing_is_named(stage: Connection, store: SQLiteStore) -> None:
    with pytest.raises(TopicMissing, match=r"nowhere\.bindings"):
        await read_all(reading(Connection(stage.bootstrap_servers, "nowhere."), store))
