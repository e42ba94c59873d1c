"""`python -m tests.unit.simulation`: explore the models, and print how many states there are and what breaks them."""

import argparse

from rich.console import Console
from rich.table import Table

from tests.unit.simulation.cases import LARGE, SMALL, Case, broken
from tests.unit.simulation.checker import Counterexample, explore


def main() -> int:
    """Explore what the command line asks for; give 0 when all is as it should be, otherwise 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.unit.simulation", description=__doc__)
    parser.add_argument("--large", action="store_true", help="larger cases as well, some minutes")
    parser.add_argument("--stories", action="store_true", help="tell each counterexample from its beginning")
    arguments = parser.parse_args()
    console = Console(width=150)
    is_sound = _hold(console, SMALL + (LARGE if arguments.large else ()))
    are_needed = _break(console, stories=arguments.stories)
    return 0 if is_sound and are_needed else 1


def _hold(console: Console, cases: tuple[Case, ...]) -> bool:
    table = Table("model", "bounds", title="With all safeguards")
    for column in ("states", "transitions", "depth", "CPU s"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    found: list[Counterexample] = []
    states = 0
    for case in cases:
        with console.status(f"{case.name}: {case.bounds}"):
            result = explore(case.model)
        states += result.states
        counts = (f"{result.states:,}", f"{result.transitions:,}", str(result.depth), f"{result.seconds:.1f}")
        verdict = "holds" if result.counterexample is None else result.counterexample.sentence
        table.add_row(case.name, case.bounds, *counts, verdict)
        if result.counterexample is not None:
            found.append(result.counterexample)
    console.print(table)
    console.print(f"{states:,} states in all")
    for counterexample in found:
        console.print(f"\n{counterexample}", markup=False)
    return not found


def _break(console: Console, *, stories: bool) -> bool:
    table = Table("without", "states", "steps", "what goes wrong", title="Without one safeguard")
    is_as_expected = True
    told: list[str] = []
    for without in broken():
        result = explore(without.model)
        found = result.counterexample
        is_as_expected &= found is not None and found.kind == without.kind
        steps, sentence = (str(len(found.story)), found.sentence) if found else ("", "nothing: it is not needed")
        table.add_row(str(without.safeguard), f"{result.states:,}", steps, sentence)
        told.append(f"\nWithout: {without.safeguard}\n{found}")
    console.print(table)
    if stories:
        console.print("\n".join(told), markup=False, highlight=False)
    return is_as_expected


if __name__ == "__main__":
    raise SystemExit(main())
