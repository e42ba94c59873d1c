"""What a capable user would assemble today, given its best settings, to compare whopays with.

FastStream hands over the commands one by one; each is answered in a SQLAlchemy ORM session and transaction of its own
(`answering.py`), by the rules of `domain/`, so that no rule is there twice; faststream-outbox, the library that belongs
to FastStream, keeps the events in the same transaction and relays them to Kafka (`relay.py`). Only `BindProject` is
known, at once and not waiting: it is all that the workload sends.

What was chosen, and what was tried beside it, in one or two short runs each on a machine that others used too: enough
to choose by, but no figures.

- **Consumers** (`worker.py`): several in one process, each answering its partitions in order. A single one waits for
  each commit and is clearly slower; four, six and twelve differ by less than two runs of the same do. A second worker
  process gains nothing on two cores: it takes from the servers what it gets.
- **Offsets** are committed once a second and consumer, after a command whose transaction is through: whatever is
  delivered again is found in the inbox. A commit after each command costs the worker and Kafka more processor time,
  and FastStream's own policies do that, or commit what is not answered yet.
- **Queries**: the project is locked, then one query reads the account, the active binding and the command's id; its
  statements are made once. `session.get` and a query for each cost two more round trips.
- **Rows of the outbox** are due a microsecond later, which makes the library leave out its NOTIFY: that queues up
  commits and wakes the relay for each of them, so that it fetches and deletes rows in smaller lots.
- **Relay**: see `relay.py` for its numbers.
- **Processes**: worker and relay apart; both in one process were never faster, nor were two such processes.
- **uvloop** gained nothing.
- SQLAlchemy's check of a connection before each use is left out, as are models, dependency injection and logging in
  FastStream, whose handlers get the raw message.
"""

from benchmarks.straightforward.tables import prepare
from benchmarks.straightforward.topics import BINDINGS, COMMANDS, RESULTS

PROCESSES: tuple[tuple[str, ...], ...] = (
    ("-m", "benchmarks.straightforward", "worker"),
    ("-m", "benchmarks.straightforward", "relay"),
)
"""The arguments of the interpreter for each process."""

__all__ = ["BINDINGS", "COMMANDS", "PROCESSES", "RESULTS", "prepare"]
