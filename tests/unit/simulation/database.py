"""What a shard holds, as small as it can be, and how a record changes it: a stand-in for domain/fold.py.

Here is one project that accounts pay for in turn (commands), a fact of which versions are reported, and something due.
"""

from collections.abc import Sequence
from typing import NamedTuple

UNBOUND = ""
FAULT = "fault"


class Bind(NamedTuple):
    """A command: this account pays from now on. The same name twice is the same id, sent twice."""

    name: str
    account: str


class Dead(NamedTuple):
    """A record that claims no id and is answered by a dead letter; its name is its place."""

    name: str


class Fact(NamedTuple):
    """A version of a fact; it is an event only when what it says is new."""

    name: str
    version: int
    says: str


Record = Bind | Dead | Fact


class Row(NamedTuple):
    """A row of the log: what it answers, and for a binding its number and who paid before and pays after."""

    kind: str
    name: str
    number: int = 0
    before: str = UNBOUND
    after: str = UNBOUND


class Database(NamedTuple):
    """The tables of a shard, and the newest version that it ever held. The end of the log is its head."""

    payer: str = UNBOUND
    bindings: int = 0
    version: int = 0
    newest: int = 0
    says: str = UNBOUND
    due: bool = False
    inbox: frozenset[str] = frozenset()
    handled: frozenset[str] = frozenset()
    log: tuple[Row, ...] = ()


def decided(database: Database, record: Record) -> Database:
    """Decide one record by what is known."""
    match record:
        case Bind(name, account):
            if name in database.inbox:
                return database
            number = database.bindings + 1
            row = Row("bind", name, number, database.payer, account)
            return database._replace(
                payer=account, bindings=number, inbox=database.inbox | {name}, log=(*database.log, row)
            )
        case Dead(name):
            if name in database.handled:
                return database
            return database._replace(handled=database.handled | {name}, log=(*database.log, Row("dead", name)))
        case Fact(name, version, says):
            if version <= database.version:
                return database
            log = database.log if says == database.says else (*database.log, Row("fact", name))
            return database._replace(version=version, says=says, log=log)


def is_answered(database: Database, record: Record) -> bool:
    """Return whether what follows from a record is in the database."""
    if isinstance(record, Fact):
        return record.version <= database.version
    return any(row.name == record.name for row in database.log)


def log_violation(database: Database, partitions: Sequence[Sequence[Record]]) -> str | None:
    """Tell what in the log breaks a promise."""
    names = [row.name for row in database.log]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        return f"doubled: {doubled} is in the log {names.count(doubled)} times"
    if failed := next((row.name for row in database.log if row.kind == FAULT), None):
        return f"dead-lettered: {failed} is sound, but became a dead letter"
    if database.version < database.newest:
        return f"stale: version {database.version} of the fact has replaced {database.newest}"
    number, payer = 0, UNBOUND
    for row in database.log:
        if row.kind == "bind":
            if (row.number, row.before) != (number + 1, payer):
                return f"chain: {row.name} is binding {row.number} after {row.before!r}, but {payer!r} pays by {number}"
            number, payer = row.number, row.after
    if number and database.payer != payer:
        return f"payer: {payer!r} should pay, but {database.payer!r} does"
    return _order_violation(names, partitions)


def _order_violation(names: Sequence[str], partitions: Sequence[Sequence[Record]]) -> str | None:
    for records in partitions:
        first = list(dict.fromkeys(record.name for record in records))
        once = [name for name in first if sum(name in {one.name for one in other} for other in partitions) == 1]
        told = [name for name in names if name in once]
        if told != [name for name in once if name in told]:
            return f"order: {told} were decided in another order than sent"
    return None
