"""Who publishes a slot: whoever has a lease that has not ended."""

import pytest

from db.at_work import Slot


@pytest.mark.parametrize(
    ("seconds_left", "holder"), ((None, None), (-0.1, None), (0.0, "relay-1"), (0.5, "relay-1"), (60.0, "relay-1"))
)
def test_a_slot_is_held_as_long_as_its_lease_lasts(seconds_left: float | None, holder: str | None) -> None:
    assert Slot(3, "relay-1", seconds_left).holder == holder
