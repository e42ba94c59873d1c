"""`whopays run`, but it reads only few records ahead, and says so once it reads no further."""

import sys
from collections.abc import Sequence
from functools import partial

from schemas.records import Record
from workers.consuming import subscription
from workers.consuming.lanes import Lanes

SHORT_SIGHTED_WORKER = "tests.faults.short_sighted_worker"
READS_NO_FURTHER = "reads no further"
AHEAD = 100


class ShortSightedLanes(Lanes):
    """Lanes that say when they have paused a partition."""

    async def submit(self, records: Sequence[Record], generation: int) -> None:
        """Take records over, as usual."""
        await super().submit(records, generation)
        if self._paused:
            print(READS_NO_FURTHER, file=sys.stderr, flush=True)


if __name__ == "__main__":
    vars(subscription)["Lanes"] = partial(ShortSightedLanes, most_ahead=AHEAD)
    from cli import main

    main()
