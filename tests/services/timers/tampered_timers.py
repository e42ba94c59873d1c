"""`whopays run` whose timers hang at one point of their work, which TAMPERED_AT names."""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cli import main
from db import load, log
from domain.messages import Due, DueKind
from workers import process as running
from workers.batches import transaction as batch
from workers.batches.transaction import Batches

BEFORE_COMMIT = "before commit"
AFTER_COMMIT = "after commit"
AFTER_SECOND_PAGE = "after second page"
HANGS = "hangs"

_POINT = os.environ.get("TAMPERED_AT", "")


async def _stand_still() -> None:
    print(HANGS, file=sys.stderr, flush=True)
    await asyncio.Event().wait()


async def _append_and_stand_still(connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
    await log.append(connection, rows)
    if rows:
        await _stand_still()


class TamperedBatches(Batches):
    """Hangs once something due was done."""

    pages = 0

    async def process_due(self, dues: Sequence[Due]) -> list[Due]:
        """Process, but do not return."""
        faulty = await super().process_due(dues)
        self.pages += dues[0].kind is DueKind.FAN_OUT
        if _POINT == AFTER_COMMIT or (_POINT == AFTER_SECOND_PAGE and self.pages == 2):
            await _stand_still()
        return faulty


if __name__ == "__main__":
    vars(running)["Batches"] = TamperedBatches
    vars(load)["FAN_OUT_PAGE"] = 100
    if _POINT == BEFORE_COMMIT:
        vars(batch)["append"] = _append_and_stand_still
    main()
