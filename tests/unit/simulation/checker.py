"""A small explicit-state model checker: every state that a model can reach, breadth first.

A model is a first state and the steps from each state: what any of its actors, or a fault, may do next. Since the
search is breadth first, the story that ends in a violation is as short as one can be. States that differ in nothing
that matters must be equal, so that there are finitely many of them: that is up to the model.
"""

import time
from array import array
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)

STUCK = "stuck"
_STUCK = f"{STUCK}: whatever happens from here on, what was promised is never done"


class Model(Protocol[S]):
    """What is explored."""

    def initial(self) -> S:
        """Return the state in which everything begins."""

    def steps(self, state: S) -> Iterator[tuple[str, S]]:
        """Return what may happen next: a sentence for each, and the state after it."""

    def violation(self, state: S) -> str | None:
        """Tell which promise is broken in a state, as `kind: sentence`."""

    def is_done(self, state: S) -> bool:
        """Return whether all that was promised is done in a state."""


class TooManyStates(Exception):
    """There are more states than the search may visit, so it proves nothing."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """What goes wrong, and a shortest story that leads there."""

    kind: str
    sentence: str
    story: tuple[str, ...]

    def __str__(self) -> str:
        told = (f"{number:3}. {sentence}" for number, sentence in enumerate(self.story, 1))
        return "\n".join([*told, f"  => {self.sentence}"])


@dataclass(frozen=True, slots=True)
class Exploration:
    """How much was explored, and what was found.

    `depth` is how many steps the farthest state is away; `seconds` are those of the processor.
    """

    states: int
    transitions: int
    depth: int
    seconds: float
    counterexample: Counterexample | None


def explore(model: Model[S], *, most_states: int = 2_000_000) -> Exploration:
    """Visit every state that can be reached, until one breaks a promise; then see that none leads to a dead end.

    Raises TooManyStates beyond `most_states`.
    """
    return _Search(model, most_states).run()


class _Search(Generic[S]):
    def __init__(self, model: Model[S], most_states: int) -> None:
        self._model = model
        self._most_states = most_states
        self._states: list[S] = []
        self._numbers: dict[S, int] = {}
        self._parents = array("i")
        self._depths = array("i")
        self._from, self._to = array("i"), array("i")

    def run(self) -> Exploration:
        began = time.process_time()
        counterexample = self._visit_all() or self._dead_end()
        seconds = time.process_time() - began
        return Exploration(len(self._states), len(self._to), max(self._depths), seconds, counterexample)

    def _visit_all(self) -> Counterexample | None:
        broken = self._add(self._model.initial(), -1)
        here = 0
        while broken is None and here < len(self._states):
            for _, state in self._model.steps(self._states[here]):
                number = self._numbers.get(state)
                if number is None:
                    number = len(self._states)
                    broken = broken or self._add(state, here)
                self._from.append(here)
                self._to.append(number)
            here += 1
        return broken

    def _add(self, state: S, parent: int) -> Counterexample | None:
        number = len(self._states)
        if number >= self._most_states:
            raise TooManyStates(f"more than {self._most_states:,}")
        self._states.append(state)
        self._numbers[state] = number
        self._parents.append(parent)
        self._depths.append(self._depths[parent] + 1 if parent >= 0 else 0)
        violation = self._model.violation(state)
        return None if violation is None else self._counterexample(number, violation)

    def _dead_end(self) -> Counterexample | None:
        """Find the nearest state from which no state can be reached in which all is done."""
        leading = self._predecessors()
        alive = bytearray(map(self._model.is_done, self._states))
        reached = [number for number, is_alive in enumerate(alive) if is_alive]
        while reached:
            for before in leading(reached.pop()):
                if not alive[before]:
                    alive[before] = True
                    reached.append(before)
        dead = alive.find(False)
        return None if dead < 0 else self._counterexample(dead, _STUCK)

    def _predecessors(self) -> "_Predecessors":
        return _Predecessors(len(self._states), self._from, self._to)

    def _counterexample(self, number: int, violation: str) -> Counterexample:
        path = [number]
        while self._parents[path[-1]] >= 0:
            path.append(self._parents[path[-1]])
        path.reverse()
        story = tuple(self._told(self._states[one], self._states[next_]) for one, next_ in pairwise(path))
        return Counterexample(violation.partition(":")[0], violation, story)

    def _told(self, state: S, wanted: S) -> str:
        return next(sentence for sentence, after in self._model.steps(state) if after == wanted)


class _Predecessors:
    """The transitions turned around, packed by where they lead."""

    def __init__(self, states: int, sources: "array[int]", targets: "array[int]") -> None:
        self._ends = array("i", bytes(4 * (states + 1)))
        for target in targets:
            self._ends[target + 1] += 1
        for number in range(states):
            self._ends[number + 1] += self._ends[number]
        free = array("i", self._ends)
        self._sources = array("i", bytes(4 * len(sources)))
        for source, target in zip(sources, targets, strict=True):
            self._sources[free[target]] = source
            free[target] += 1

    def __call__(self, number: int) -> "array[int]":
        return self._sources[self._ends[number] : self._ends[number + 1]]
