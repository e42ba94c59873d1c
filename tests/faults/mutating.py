"""How a mutant is made: patches of source text, applied while modules are imported (failpoints.py)."""

from dataclasses import dataclass

MUTANT_VARIABLE = "MUTANT"
"""The environment variable that names a process's mutant."""
PARTITION_VARIABLE = "PARTITION_POSITIONS"
"""The one that says how many positions a partition of the log holds, in a database that was made so."""


@dataclass(frozen=True)
class Patch:
    """A replacement for a text that occurs in a module exactly once."""

    module: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A mistake somebody could make: `lacks` says in one sentence what is missing.

    The `scenario` is in scenarios.py. `dies_of` are words that the findings must contain. Quick ones are tried in every
    run of the tests.
    """

    lacks: str
    scenario: str
    dies_of: str
    patches: tuple[Patch, ...]
    is_quick: bool = False

    def mutated(self, module: str, source: str) -> str:
        """Return the changed source of a module."""
        for patch in self.patches:
            if patch.module == module:
                assert source.count(patch.old) == 1, f"{module} has {source.count(patch.old)} times: {patch.old}"
                source = source.replace(patch.old, patch.new)
        return source
