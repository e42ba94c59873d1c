"""What is explored: small cases in the tests, larger ones from the command line; and each with a safeguard left out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.unit.simulation import admission, closing, consumption, dividing, publication, transactions
from tests.unit.simulation.admission import Admission, Command, Who
from tests.unit.simulation.checker import STUCK, Model
from tests.unit.simulation.closing import FAILOVER, LEAP, Closing
from tests.unit.simulation.consumption import Consumption
from tests.unit.simulation.database import Bind, Dead, Fact
from tests.unit.simulation.dividing import Dividing
from tests.unit.simulation.publication import Publication
from tests.unit.simulation.transaction_states import TIMER
from tests.unit.simulation.transactions import Transactions

Safeguard = (
    consumption.Safeguard
    | transactions.Safeguard
    | publication.Safeguard
    | dividing.Safeguard
    | closing.Safeguard
    | admission.Safeguard
)


@dataclass(frozen=True, slots=True)
class Case:
    """A model within bounds, in words."""

    name: str
    bounds: str
    model: Model[Any]


@dataclass(frozen=True, slots=True)
class Broken:
    """A model without one of its safeguards, and the kind of violation that it must end in."""

    safeguard: Safeguard
    kind: str
    model: Model[Any]


_RED, _BLUE, _GREEN = Bind("a", "red"), Bind("b", "blue"), Bind("c", "green")

_SENT_TWICE = Transactions(((_RED, _RED),), ((0, 0), (1, 0)))
_OF_EACH_KIND = Transactions(((_RED, Dead("0/1")),), ((0, 0), (1, 0)), batch=2)
_FACTS = Transactions(
    ((Fact("first", 1, "x"), Fact("second", 2, "y")), (Fact("third", 3, "x"),)),
    ((0, 0), (1, 1)),
)
_TIMERS = Transactions(((_RED,),), ((0, 0), (0, TIMER), (1, TIMER)), is_due=True)
_TURNS = Transactions(((_RED, _BLUE),), ((0, 0), (1, 0)))
_MEETING = Transactions(((_RED,), (_BLUE,), (_GREEN,)), ((0, 0), (0, 1), (1, 2)))
_LINE, _BESIDE = Consumption((3,)), Consumption((3,), ("aba",))
_RESTORED = Publication(rows=2, relays=1, restores=1)
_DIVIDED, _AND_BACK = Dividing(changes=1), Dividing()
_LEAPING, _FAILING_OVER = Closing(faults=frozenset({LEAP})), Closing(faults=frozenset({FAILOVER}))
_OF_TWO_SLOTS = replace(_FAILING_OVER, slots=2)
_SQUATTED = Admission((Command("a", Who.STRANGER), Command("a"), Command("a", Who.FORGER)))
_REDRIVEN = Admission((Command("b", is_faulty=True), Command("c", Who.STRANGER, is_faulty=True)))

SMALL = (
    Case("consumption", "1 worker, 1 partition of 3 records, 2 lanes", _LINE),
    Case("consumption", "1 worker, 1 partition of 3 records of 2 organizations, 2 lanes", _BESIDE),
    Case("consumption", "1 worker, 2 partitions of 1 record, batches of 2, 2 lanes", Consumption((1, 1), batch=2)),
    Case("consumption", "2 workers, 1 partition of 1 record", Consumption((1,), workers=2, lanes=1)),
    Case("transactions", "2 processes, a command that was sent twice", _SENT_TWICE),
    Case("transactions", "2 processes, a command and a dead letter, batches of 2", _OF_EACH_KIND),
    Case("transactions", "2 processes, 3 versions of a fact in 2 partitions", _FACTS),
    Case("transactions", "2 processes, a command beside 2 timers", _TIMERS),
    Case("publication", "2 relays, 2 rows", Publication()),
    Case("publication", "2 relays, 2 rows in one transaction", Publication(batch=2)),
    Case("publication", "1 relay, 2 rows, a database that is restored", _RESTORED),
    Case("dividing", "2 relays, 1 row in each of 2 shards, from 1 slot to 2", _DIVIDED),
    Case("dividing", "2 relays, 1 row in each of 2 shards, from 1 slot to 2 and back", _AND_BACK),
    Case("closing", "2 shards, 1 row in each, a clock that leaps ahead", _LEAPING),
    Case("closing", "2 shards, 1 row in each, a database that fails over", _FAILING_OVER),
    Case("closing", "2 shards, 1 row in each, 2 slots, a database that fails over", _OF_TWO_SLOTS),
    Case("admission", "2 processes, an id used by 3 people", _SQUATTED),
    Case("admission", "2 processes, 2 dead letters that are redriven", _REDRIVEN),
)
LARGE = (
    Case("consumption", "1 worker, partitions of 2 and 1 records, 2 lanes", Consumption((2, 1))),
    Case("consumption", "1 worker, 1 partition of 5 records, 2 lanes", Consumption((5,))),
    Case(
        "consumption",
        "1 worker, 1 partition of 5 records of 3 organizations, batches of 2, 2 lanes",
        Consumption((5,), ("abaca",), batch=2),
    ),
    Case(
        "consumption",
        "2 workers, 1 partition of 2 records of 2 organizations",
        Consumption((2,), ("ab",), workers=2),
    ),
    Case("consumption", "2 workers, 1 partition of 2 records", Consumption((2,), workers=2, lanes=1)),
    Case(
        "transactions",
        "2 processes, 2 commands, 1 twice",
        replace(_SENT_TWICE, partitions=((_RED, _RED, _BLUE),)),
    ),
    Case("transactions", "2 processes, 3 commands in 3 lanes", _MEETING),
    Case("transactions", "2 processes, 2 commands beside 2 timers", replace(_TIMERS, partitions=((_RED, _BLUE),))),
    Case("publication", "2 relays, 4 rows, transactions of 2", Publication(rows=4, batch=2)),
    Case("publication", "3 relays, 2 rows", Publication(relays=3)),
    Case("publication", "2 relays, 3 rows, a database that is restored", Publication(rows=3, restores=1)),
    Case("dividing", "2 relays, 1 row in each of 3 shards, from 2 slots to 3", Dividing(3, numbers=(2, 3), changes=1)),
    Case("dividing", "2 relays, 2 rows in each of 2 shards, from 1 slot to 2 and back", Dividing(rows=2)),
    Case("closing", "2 shards, 1 row in each, both faults, longer", Closing(until=3)),
)

_REMOVED: tuple[
    tuple[Safeguard, str, Consumption | Transactions | Publication | Dividing | Closing | Admission], ...
] = (
    (consumption.Safeguard.COMMIT_FIRST, "lost", _LINE),
    (consumption.Safeguard.ONLY_DURABLE, "lost", _LINE),
    (consumption.Safeguard.NO_GAP, "lost", _BESIDE),
    (consumption.Safeguard.ONE_BATCH, "order", _LINE),
    (consumption.Safeguard.STOP_AFTER_FAILURE, "order", _LINE),
    (consumption.Safeguard.DROP_STALE, "order", _LINE),
    (consumption.Safeguard.READ_AGAIN, "order", _LINE),
    (transactions.Safeguard.INBOX, "doubled", _SENT_TWICE),
    (transactions.Safeguard.HANDLED, "doubled", _OF_EACH_KIND),
    (transactions.Safeguard.LOCK, "dead-lettered", _MEETING),
    (transactions.Safeguard.FENCED_MEMORY, "doubled", _TIMERS),
    (transactions.Safeguard.HEAD_MOVES, "stale", _FACTS),
    (transactions.Safeguard.OVERTAKEN, "doubled", _TIMERS),
    (transactions.Safeguard.ONE_TRANSACTION, "payer", _TURNS),
    (transactions.Safeguard.STILL_DUE, "doubled", _TIMERS),
    (transactions.Safeguard.SYNCHRONOUS, "lost", _TURNS),
    (publication.Safeguard.FENCING, "doubled", Publication()),
    (publication.Safeguard.FENCE_FIRST, "doubled", Publication()),
    (publication.Safeguard.SAME_TRANSACTION, "doubled", Publication()),
    (publication.Safeguard.READ_COMMITTED, "hole", Publication()),
    (publication.Safeguard.READ_AGAIN, "doubled", Publication()),
    (publication.Safeguard.READ_AGAIN_THEN, "hole", Publication()),
    (publication.Safeguard.GIVE_UP_FIRST, "doubled", Publication()),
    (publication.Safeguard.LOCKED_POSITION, "hole", Publication()),
    (publication.Safeguard.HASHES, "other", _RESTORED),
    (dividing.Safeguard.CHECK_AFTER, "doubled", _DIVIDED),
    (dividing.Safeguard.FENCE_ALL, "doubled", _DIVIDED),
    (dividing.Safeguard.FENCE_FIRST, "doubled", _DIVIDED),
    (dividing.Safeguard.FENCED_THEN_FORGOTTEN, "doubled", _DIVIDED),
    (dividing.Safeguard.SAME_CHANGE, "doubled", _AND_BACK),
    (dividing.Safeguard.TO_THE_END, "doubled", _DIVIDED),
    (closing.Safeguard.PUBLISHED_FIRST, "late", _FAILING_OVER),
    (closing.Safeguard.UNDER_THE_LOCK, "late", _FAILING_OVER),
    (closing.Safeguard.BOTH_CLOCKS, "future", _LEAPING),
    (closing.Safeguard.HELD, "late", _FAILING_OVER),
    (closing.Safeguard.NOT_CARRIED_OVER, "late", _FAILING_OVER),
    (closing.Safeguard.NEVER_LOWER, "fell", _FAILING_OVER),
    (closing.Safeguard.NOTED_AFTERWARDS, "late", _OF_TWO_SLOTS),
    (closing.Safeguard.ENDS_AFTERWARDS, "behind", _OF_TWO_SLOTS),
    (admission.Safeguard.STAMP, "late", _SQUATTED),
    (admission.Safeguard.NO_CLAIM, "squatted", _SQUATTED),
    (admission.Safeguard.BY_PLACE, "doubled", _SQUATTED),
    (admission.Safeguard.ACCEPTED, "judged again", _SQUATTED),
    (admission.Safeguard.READ_BEFORE, STUCK, _SQUATTED),
    (admission.Safeguard.KEPT, "forgotten", _REDRIVEN),
    (admission.Safeguard.OWN_RIGHTS, "intruder", _REDRIVEN),
)


def broken() -> Iterator[Broken]:
    """Yield each model without each of its safeguards."""
    for safeguard, kind, model in _REMOVED:
        yield Broken(safeguard, kind, replace(model, without=frozenset({safeguard})))  # type: ignore[arg-type]


def early_notice() -> Publication:
    """Return the relay without what only tells sooner what the hashes tell as well: that a log ends too early."""
    return replace(_RESTORED, without=frozenset({publication.Safeguard.NOT_GONE_BACK}))
