"""Ids of events that a question may wait for."""

import pytest

from service.lookups.waits import AT_LEAST
from service.parameters import Refused
from service.waits import event_id


@pytest.mark.parametrize(
    ("text", "place"), (("0-0", (0, 0)), ("17-4711", (17, 4711)), (f"99999-{2**63 - 1}", (99999, 2**63 - 1)))
)
def test_ids_of_events_are_read(text: str, place: tuple[int, int]) -> None:
    assert event_id(text) == place


@pytest.mark.parametrize(
    "text", ("", "1", "1-", "-1", "01-1", "1-01", "100000-1", f"1-{2**63}", "1-99999999999999999999", "1-2\n", "1-x")
)
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(Refused, match="the id of an event"):
        event_id(text)


def test_a_lookup_waits_for_one_event_of_each_shard() -> None:
    assert AT_LEAST.read("17-4711") == {17: 4711}
    assert AT_LEAST.read("17-4711,0-0,23-42") == {17: 4711, 0: 0, 23: 42}
    for text in ("17-1,17-2", "17-1,17-1", "1-1,2-2,1-3"):
        with pytest.raises(Refused, match="one event of a shard"):
            AT_LEAST.read(text)
    for text in ("", ",", "1-1,", "1-1, 2-2", "1-1;2-2"):
        with pytest.raises(Refused, match="the id of an event"):
            AT_LEAST.read(text)
