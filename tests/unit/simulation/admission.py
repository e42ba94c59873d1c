"""Who is let in, as a model: workers/batches/asking.py, the first stage of domain/fold.py, db/redriven.py.

One partition of commands, each with a token that ends, by a key that is withdrawn. Whoever reads a record finds out who
asks before the transaction, so that two processes may have found out different things about the same record; a
transaction is one step here (transactions.py takes it apart). Any record that was read may be read again at any time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

_ENDS_AT = 1
"""When tokens end."""


class Safeguard(StrEnum):
    """What keeps the guarantees; the model can do without any of them."""

    STAMP = "a token is judged as of when the broker got its record"
    NO_CLAIM = "a command that is not admitted claims no id"
    BY_PLACE = "refused records are in `handled_records`, in the same transaction"
    ACCEPTED = "an accepted command is not judged again, whatever happened to its key"
    READ_BEFORE = "a claimed id alone does not prove that a record was accepted: it must have been read before"
    KEPT = "a dead letter stores who asked"
    OWN_RIGHTS = "a redriven command is judged by the rights of its sender, not of its redriver"


class Who(StrEnum):
    """Whose command it is."""

    OWNER = "its owner"
    STRANGER = "a stranger"
    FORGER = "a forger"


class Verdict(StrEnum):
    """What comes of a token."""

    LET_IN = "let in"
    FORBIDDEN = "Forbidden"
    UNAUTHENTICATED = "Unauthenticated"


class Command(NamedTuple):
    """A command to send, always of the same meaning; where it is faulty, its first handling fails."""

    name: str
    who: Who = Who.OWNER
    is_faulty: bool = False


class Sent(NamedTuple):
    """A record: its command, when the broker got it, and the place of its dead letter where it was redriven."""

    command: Command
    stamp: int
    letter: int | None = None


class Row(NamedTuple):
    """A row of the log: what was decided about the record at a place."""

    kind: str
    place: int
    name: str


class World(NamedTuple):
    """Time, keys, the topic, what each process has in work (a place and a verdict), and the database.

    `letters` are verdicts by place, as dead letters keep them; `reached` is how far the partition was read.
    """

    clock: int
    is_withdrawn: bool
    topic: tuple[Sent, ...]
    lanes: tuple[tuple[int, Verdict] | None, ...]
    reached: int = 0
    claimed: frozenset[str] = frozenset()
    handled: frozenset[int] = frozenset()
    letters: tuple[tuple[int, Verdict], ...] = ()
    log: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Admission:
    """`commands` that are sent in this order, and read by some processes."""

    commands: tuple[Command, ...]
    processes: int = 2
    without: frozenset[Safeguard] = frozenset()

    def initial(self) -> World:
        """Nothing is sent."""
        return World(0, False, (), (None,) * self.processes)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        """Yield what somebody may do next."""
        if world.clock < _ENDS_AT:
            yield "the tokens end", world._replace(clock=world.clock + 1)
        if not world.is_withdrawn:
            yield "the key is withdrawn", world._replace(is_withdrawn=True)
        sent = sum(one.letter is None for one in world.topic)
        if sent < len(self.commands):
            command = self.commands[sent]
            yield f"{command.who} sends {command.name}", _put(world, Sent(command, world.clock))
        for place, _ in world.letters:
            if all(one.letter != place for one in world.topic):
                again = Sent(world.topic[place].command, world.clock, place)
                yield f"the dead letter of {place} is redriven", _put(world, again)
        for process, lane in enumerate(world.lanes):
            name = f"process {process + 1}"
            if lane is None:
                for place in range(min(world.reached + 1, len(world.topic))):
                    verdict = self._verdict(world, world.topic[place])
                    yield f"{name} reads {place}: {verdict}", _with(world, process, (place, verdict))
            else:
                yield f"{name} is killed", _with(world, process, None)
                place, verdict = lane
                yield f"{name} decides {place}", _with(self._decided(world, place, verdict), process, None)

    def violation(self, world: World) -> str | None:
        """Tell which promise is broken."""
        kinds: dict[int, set[str]] = {}
        for row in world.log:
            before = kinds.setdefault(row.place, set())
            if before:
                again = "doubled" if row.kind in before else "judged again"
                return f"{again}: the record at {row.place} is {row.kind} after it was {', '.join(before)}"
            before.add(row.kind)
        names = [row.name for row in world.log if row.kind == "applied"]
        if doubled := next((name for name in names if names.count(name) > 1), None):
            return f"doubled: {doubled} is applied {names.count(doubled)} times"
        for row in world.log:
            sent = world.topic[row.place]
            if row.kind == "applied" and sent.command.who is not Who.OWNER:
                return f"intruder: {sent.command.who} has {row.name} applied"
            if row.kind == "expired" and sent.stamp < _ENDS_AT:
                return f"late: {row.name} is refused, although its token was valid when it was sent"
            if row.kind == "refused" and (sent.letter, Verdict.LET_IN) in world.letters:
                return f"forgotten: {row.name} was admitted at first, and is refused when it is redriven"
        if world.claimed - set(names):
            return f"squatted: {min(world.claimed - set(names))} is claimed by a command that is not admitted"
        return None

    def is_done(self, world: World) -> bool:
        """Everything is sent, redriven and answered; an owner's repetition has no answer of its own."""
        answered = {row.place for row in world.log}
        applied = {row.name for row in world.log if row.kind == "applied"}
        if sum(one.letter is None for one in world.topic) < len(self.commands):
            return False
        if len(world.topic) < len(self.commands) + len(world.letters):
            return False
        return all(
            place in answered or (one.command.who is Who.OWNER and one.command.name in applied)
            for place, one in enumerate(world.topic)
        )

    def _holds(self, safeguard: Safeguard) -> bool:
        return safeguard not in self.without

    def _verdict(self, world: World, sent: Sent) -> Verdict:
        """`Askers.of`: found out while a record is read."""
        if sent.letter is not None:
            if not self._holds(Safeguard.KEPT):
                return Verdict.UNAUTHENTICATED
            if not self._holds(Safeguard.OWN_RIGHTS):
                return Verdict.LET_IN
            return dict(world.letters)[sent.letter]
        judged_at = sent.stamp if self._holds(Safeguard.STAMP) else world.clock
        if world.is_withdrawn or judged_at >= _ENDS_AT or sent.command.who is Who.FORGER:
            return Verdict.UNAUTHENTICATED
        return Verdict.FORBIDDEN if sent.command.who is Who.STRANGER else Verdict.LET_IN

    def _decided(self, world: World, place: int, verdict: Verdict) -> World:
        """A transaction on one record: `load`, `fold`, `store_claims`, `store_handled`."""
        sent = world.topic[place]
        name, is_known = sent.command.name, sent.command.name in world.claimed
        after = world._replace(reached=max(world.reached, place + 1))
        if place in world.handled:
            return after
        if sent.command.is_faulty and sent.letter is None:
            letters = (*world.letters, (place, verdict))
            return _noted(after, "dead-lettered", place)._replace(letters=letters)
        if verdict is Verdict.LET_IN:
            if is_known:
                return after
            row = Row("applied", place, name)
            return after._replace(log=(*after.log, row), claimed=after.claimed | {name})
        was_read = place < world.reached or not self._holds(Safeguard.READ_BEFORE)
        if is_known and was_read and self._holds(Safeguard.ACCEPTED):
            return after
        has_ended = sent.letter is None and not world.is_withdrawn and sent.command.who is Who.OWNER
        refused = _noted(after, "expired" if has_ended else "refused", place)
        if not self._holds(Safeguard.BY_PLACE):
            refused = refused._replace(handled=world.handled)
        if not self._holds(Safeguard.NO_CLAIM):
            refused = refused._replace(claimed=refused.claimed | {name})
        return refused


def _put(world: World, sent: Sent) -> World:
    return world._replace(topic=(*world.topic, sent))


def _with(world: World, process: int, lane: tuple[int, Verdict] | None) -> World:
    return world._replace(lanes=(*world.lanes[:process], lane, *world.lanes[process + 1 :]))


def _noted(world: World, kind: str, place: int) -> World:
    """Answer a record that claims no id, and keep its place."""
    row = Row(kind, place, world.topic[place].command.name)
    return world._replace(log=(*world.log, row), handled=world.handled | {place})
