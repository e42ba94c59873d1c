"""Mutants of the watermarks: each tells readers that they are complete when they are not, or could not be."""

from tests.faults.mutating import Mutant, Patch

_FORGETFUL = (
    Patch("workers.publishing.takeover", "        await hold_to(connection, kept)\n", "        del connection\n"),
    Patch("workers.batches.closed", "                await hold_to(connection, kept)\n", "                del kept\n"),
)

OF_WATERMARKS: dict[str, Mutant] = {
    "closed before the log is published": Mutant(
        "A shard counts as closed up to its last instant although its log is yet to be published.",
        "a relay that is behind",
        "watermarks close what stands before them",
        (
            Patch(
                "workers.publishing.watermarks",
                "if positions.get(shard, BEGINNING).position >= head.position:",
                "if head.position >= 0:",
            ),
        ),
    ),
    "closed by the clock, without the lock": Mutant(
        "A shard of which all is published counts as closed up to now, whoever is writing to it.",
        "watermarks beside a slow transaction",
        "watermarks close what stands before them",
        (
            Patch(
                "workers.publishing.watermarks",
                "_NEVER if head.is_closed else head.last_instant",
                "datetime.now(UTC)",
            ),
        ),
    ),
    "watermarks that fall": Mutant(
        "A relay neither holds the database to what was closed, nor compares with what it told.",
        "a standby that lags",
        "watermarks never fall",
        (
            *_FORGETFUL,
            Patch(
                "workers.publishing.watermarks",
                "if closed is None or (self._floor is not None and closed <= self._floor):",
                "if closed is None:",
            ),
        ),
    ),
    "what was closed is forgotten": Mutant(
        "Nobody raises the shards of a database that has forgotten what was closed.",
        "a standby that lags",
        "watermarks close what stands before them",
        _FORGETFUL,
    ),
    "a clock is believed alone": Mutant(
        "Idle shards are raised by the database's clock, whatever the relay's says.",
        "a clock that leaps",
        "watermarks close no future",
        (
            Patch("db.raising", "return abs(self.ahead) > MOST_APART", "return False"),
            Patch(
                "db.raising",
                "least(clock_timestamp(), :own) AS bound\n    ), behind",
                "clock_timestamp() AS bound\n    ), behind",
            ),
            Patch(
                "db.raising",
                "clock.bound AND greatest(ahead, -ahead) <= CAST(:most_apart AS interval)\n    ), free",
                "clock.bound\n    ), free",
            ),
            Patch(
                "workers.publishing.watermarks",
                "return min(now, *self._closed.values())",
                "return min(self._closed.values())",
            ),
        ),
    ),
}
