"""The command line, but it kills itself in the middle of a redrive: before or after the broker has the records."""

import os
import signal
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncConnection

from cli import main
from workers import redriving

WHERE = "KILLED_AT"
BEFORE_SENDING, BEFORE_CONFIRMING = "sending", "confirming"


async def confirm(_connection: AsyncConnection, _confirmed: Sequence[tuple[UUID, int, int]]) -> None:
    """Die instead of noting what the broker has acknowledged."""
    os.kill(os.getpid(), signal.SIGKILL)


async def send(*_arguments: Any, **_named: Any) -> None:
    """Die at the first record, after the redrive was taken down."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if os.environ[WHERE] == BEFORE_CONFIRMING:
        vars(redriving)["confirm_redrives"] = confirm
    else:
        AIOKafkaProducer.send = send
    main()
