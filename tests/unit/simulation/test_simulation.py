"""The guarantees hold in every state that can be reached; without any one of the safeguards they do not."""

from collections.abc import Iterator
from itertools import chain

import pytest

from tests.support.properties import IS_QUICK
from tests.unit.simulation import admission, closing, consumption, dividing, publication, transactions
from tests.unit.simulation.cases import SMALL, Broken, Case, broken, early_notice
from tests.unit.simulation.checker import STUCK, TooManyStates, explore

_BROKEN = tuple(broken())
_MOST_STATES = 4_000 if IS_QUICK else 100_000


class Counting:
    """Counts to `last`, after which it is done, by ones; or by twos, when it may miss that."""

    def __init__(self, last: int, *, forbidden: int | None = None, by: tuple[int, ...] = (1,)) -> None:
        self._last = last
        self._forbidden = forbidden
        self._by = by

    def initial(self) -> int:
        return 0

    def steps(self, state: int) -> Iterator[tuple[str, int]]:
        for more in self._by:
            if state + more <= self._last + 1:
                yield f"{more} more", state + more

    def violation(self, state: int) -> str | None:
        return f"forbidden: {state} is" if state == self._forbidden else None

    def is_done(self, state: int) -> bool:
        return state == self._last + 1 if self._by == (1,) else state == self._last


def test_the_checker_visits_every_state_once() -> None:
    found = explore(Counting(9, by=(1,)))
    assert (found.states, found.transitions, found.depth, found.counterexample) == (11, 10, 10, None)
    with pytest.raises(TooManyStates):
        explore(Counting(9), most_states=10)


def test_the_checker_tells_a_shortest_story() -> None:
    found = explore(Counting(9, forbidden=5, by=(1, 2))).counterexample
    assert found is not None
    assert (found.kind, len(found.story)) == ("forbidden", 3)
    assert str(found).endswith("=> forbidden: 5 is")


def test_the_checker_finds_a_dead_end() -> None:
    found = explore(Counting(3, by=(1, 2))).counterexample
    assert found is not None
    assert (found.kind, found.story) == (STUCK, ("2 more", "2 more"))


@pytest.mark.parametrize("case", SMALL, ids=lambda case: f"{case.name}: {case.bounds}")
def test_the_guarantees_hold_whatever_happens_in_whatever_order(case: Case) -> None:
    try:
        found = explore(case.model, most_states=_MOST_STATES)
    except TooManyStates:
        assert IS_QUICK  # the nearest states, then, in none of which a promise is broken
        return
    assert found.counterexample is None, f"\n{found.counterexample}"
    assert found.states > 100


@pytest.mark.parametrize("without", _BROKEN, ids=lambda without: without.safeguard.name.lower())
def test_without_one_safeguard_they_do_not(without: Broken) -> None:
    found = explore(without.model, most_states=100_000).counterexample
    assert found is not None, f"nothing is broken without: {without.safeguard}"
    assert found.kind == without.kind, f"\n{found}"


def test_every_safeguard_is_left_out_once() -> None:
    models = (consumption, transactions, publication, dividing, closing, admission)
    every = chain.from_iterable(model.Safeguard for model in models)
    # Of what was published and is gone the hashes tell as well, though only once the log is as long again.
    assert set(every) - {without.safeguard for without in _BROKEN} == {publication.Safeguard.NOT_GONE_BACK}
    assert explore(early_notice()).counterexample is None
