"""What a capable user would assemble today, given its best settings, to compare whopays with.

FastStream hands over the commands one by one; each is answered in a SQLAlchemy ORM session and transaction of its own
(`answering.py`), by the rules of `domain/`, so that no rule is there twice; faststream-outbox, the library that belongs
to FastStream, keeps the events in the same transaction and relays them to Kafka (`relay.py`). Only `BindProject` is
known, at once and not waiting: it is all that the workload sends.

What was chosen, and what was tried beside it:

- **Consumers** (`worker.py`): several in one process, each answering its partitions in order. One at a time (no
  `max_workers`) waits for the disk at each commit; more than six save nothing more, and a second worker process only
  takes the processor from the servers.
- **Offsets** are committed once a second and consumer, after a command whose transaction is through: whatever is
  delivered again is found in the inbox. A commit after each command costs a third of the throughput, and FastStream's
  own policies either do that or commit what is not answered yet.
- **Queries**: the project is locked, then one query reads the account, the active binding and the command's id; its
  statements are made once. `session.get` for each of them costs two more round trips.
- **Rows of the outbox** are due a microsecond later, which makes the library leave out its NOTIFY: that serialises
  commits and wakes the relay for each row, and costs PostgreSQL and the relay about half as much again.
- **Relay**: see `relay.py` for its numbers.
- **Processes**: worker and relay apart. Both in one process are as fast while the servers need the other core.
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
