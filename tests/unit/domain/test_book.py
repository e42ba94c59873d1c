"""The projects that an account pays for, of which only the first are known by name."""

from datetime import timedelta

import pytest

from domain.book import BoundProjects
from domain.state import Binding
from tests.unit.domain.building import NOON


def _binding(project: str) -> Binding:
    return Binding(
        organization="acme",
        project=project,
        number=1,
        account="a",
        established_at=NOON,
        previous_ended_at=None,
        ended_at=NOON + timedelta(hours=1),
    )


def test_the_first_by_name_stay_the_first() -> None:
    bound = BoundProjects(5, ["b", "d"], None)
    bound.begin(_binding("c"))
    bound.begin(_binding("e"))  # behind those that are known by name
    assert (bound.count, bound.lowest(3)) == (7, ["b", "c", "d"])
    bound.end(_binding("c"))
    bound.end(_binding("x"))
    assert (bound.count, bound.lowest(2), bound.last_ended_at) == (5, ["b", "d"], NOON + timedelta(hours=1))


def test_all_are_known_as_long_as_there_are_few() -> None:
    bound = BoundProjects()
    for project in "cab":
        bound.begin(_binding(project))
    assert bound.lowest(9) == ["a", "b", "c"]
    for project in "abc":
        bound.end(_binding(project))
    assert (bound.count, bound.lowest(9)) == (0, [])


def test_too_few_names_are_never_taken_for_all() -> None:
    bound = BoundProjects(3, ["a"], None)
    bound.end(_binding("a"))
    bound.begin(_binding("a"))
    assert bound.count == 3
    with pytest.raises(LookupError, match="3 bound projects are needed and 0 are loaded"):
        bound.lowest(20)
