"""Mutants of the slots: relays of two numbers of slots publish the same shard."""

from tests.faults.mutating import Mutant, Patch

OF_SLOTS: dict[str, Mutant] = {
    "another number is not fenced": Mutant(
        "Whoever divides the shards among another number of slots leaves the old number's producers as they are.",
        "a zombie of another number of slots",
        "events are published once",
        (Patch("workers.publishing.dividing", "earlier = sorted(found.unfenced - {number})", "earlier = list[int]()"),),
    ),
    "the number is not looked at": Mutant(
        "A relay that has initialised its producer does not look whether its number of slots still counts.",
        "a relay of another number of slots that begins late",
        "events are published once",
        (Patch("workers.publishing.dividing", "if found.number != number:", "if not found.number:"),),
    ),
}
