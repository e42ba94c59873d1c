"""`whopays run`, but it hangs or fails at the point that TAMPERED_AT names; SIGUSR1 lets it continue."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from cli import main
from schemas.records import Record
from workers import process as running
from workers.batches.messages import Reader
from workers.batches.progress import Progress
from workers.batches.transaction import Batches
from workers.publishing import producer
from workers.publishing.producer import TransactionalProducer
from workers.runtime.roles import Role

BEFORE_ACKNOWLEDGEMENT = "before acknowledgement"
BEFORE_COMMIT = "before commit"
AFTER_COMMIT = "after commit"

_POINT = os.environ.get("TAMPERED_AT", "")


async def _stand_still() -> None:
    going_on = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, going_on.set)
    print(f"hangs at {_POINT}", file=sys.stderr, flush=True)
    await going_on.wait()


class TamperedBatches(Batches):
    """Hangs between the commit to the database and the acknowledgement to Kafka."""

    async def process(
        self,
        role: Role,
        records: Sequence[Record],
        reader: Reader,
        progress: Mapping[TopicPartition, Progress] | None = None,
    ) -> None:
        """Process, but do not return."""
        await super().process(role, records, reader, progress)
        if _POINT == BEFORE_ACKNOWLEDGEMENT:
            await _stand_still()


class TamperedProducer(TransactionalProducer):
    """Hangs before a transaction is committed, or loses the answer to its first commit."""

    is_doubtful = _POINT == AFTER_COMMIT

    async def commit_transaction(self) -> Any:
        """Commit, but with the fault."""
        if _POINT == BEFORE_COMMIT:
            await _stand_still()
        await super().commit_transaction()
        if TamperedProducer.is_doubtful:
            TamperedProducer.is_doubtful = False
            print(f"loses the answer {_POINT}", file=sys.stderr, flush=True)
            raise KafkaTimeoutError


def _put(module: ModuleType, tampered: type) -> None:
    """Have a module use a tampered class instead of the one that it is derived from."""
    (original,) = tampered.__bases__
    if vars(module).get(original.__name__) is not original:
        raise AssertionError(f"{module.__name__} does not make {original.__name__}: tamper with the module that does")
    vars(module)[original.__name__] = tampered


if __name__ == "__main__":
    _put(running, TamperedBatches)
    _put(producer, TamperedProducer)
    main()
