"""Mutants: whopays with one safeguard left out, or done in the wrong order; each must be caught.

A mutant is an ordinary process whose modules are patched as they are imported (failpoints.py), so production knows
nothing of it. Patches follow the code: a test fails if a patch's old text does not occur exactly once.
"""

from tests.faults.mutants_of_archiving import OF_ARCHIVING
from tests.faults.mutants_of_questions import OF_QUESTIONS
from tests.faults.mutants_of_replaying import OF_REPLAYING, POSITIONS_APART
from tests.faults.mutants_of_rights import OF_RIGHTS
from tests.faults.mutants_of_slots import OF_SLOTS
from tests.faults.mutants_of_watermarks import OF_WATERMARKS
from tests.faults.mutating import Mutant, Patch

_NO_LOCK = Patch("db.shards", "ORDER BY shard FOR UPDATE\n", "ORDER BY shard\n")
_GROUP_IS_BELIEVED = Patch(
    "workers.consuming.start_positions",
    "offset = bounds.beginning if bounds.acknowledged is None else min(bounds.acknowledged, reached)",
    "offset = bounds.beginning if bounds.acknowledged is None else bounds.acknowledged",
)
_NO_HASHES = Patch(
    "workers.publishing.packing",
    "if row.hash != row_hash(before.hash, row.topic, row.key, row.value, row.asked):",
    "if not row.hash:",
)
MUTANTS: dict[str, Mutant] = {
    "no inbox": Mutant(
        "A command's id is neither looked up nor kept.",
        "read again",
        "commands are answered once",
        (
            Patch("db.load", "await _rows(connection, _CLAIMED, identities)", "[]"),
            Patch("workers.batches.transaction", "                await store_claims(connection, claims)\n", ""),
        ),
        is_quick=True,
    ),
    "digests not kept": Mutant(
        "Old commands leave the inbox without a trace.",
        "old commands forgotten, and sent again",
        "inbox_is_kept",
        (
            Patch(
                "db.forgetting",
                "substr(fingerprint, 1, 8) FROM gone\n",
                "substr(fingerprint, 1, 8) FROM gone WHERE false\n",
            ),
        ),
        is_quick=True,
    ),
    "digests not looked up": Mutant(
        "Of an id that is found taken only the inbox is asked.",
        "old commands forgotten, and sent again",
        "forgotten_commands_pkey",
        (Patch("db.load", '_OF_NAMED = "forgotten', '_OF_NAMED = "false AND forgotten'),),
    ),
    "places forgotten that are still held": Mutant(
        "Where records stood that claim no id is forgotten while their topic holds them.",
        "old commands forgotten, and sent again",
        "commands are answered once",
        (Patch("db.forgetting", """ AND old."offset" < named.beginning""", ""),),
    ),
    "handled records not kept": Mutant(
        "What claims no id, such as a dead letter, is not recorded as handled.",
        "read again",
        "dead_letters_pkey",
        (
            Patch(
                "workers.batches.transaction", "                await store_handled(connection, folded.unclaimed)\n", ""
            ),
        ),
    ),
    "meaning of an id not compared": Mutant(
        "A command with a claimed id counts as a repetition, whatever it says.",
        "read again",
        "commands are answered once",
        (
            Patch(
                "domain.fold",
                "is_repeated = claimed is not None and message.fingerprint.startswith(claimed)\n",
                "is_repeated = claimed is not None\n",
            ),
        ),
    ),
    "identity before admission": Mutant(
        "Somebody who is not admitted learns whether the id was used.",
        "read again",
        "commands are answered once",
        (Patch("domain.fold", "is_looked_up = not broken and not", "is_looked_up = not"),),
    ),
    "asking again forgotten": Mutant(
        "A command that asks for its answer again is not recorded as handled: when redelivered, it is answered again.",
        "read again",
        "commands are answered once",
        (Patch("domain.fold", "if message.asks_again or not (claims", "if not (claims"),),
        is_quick=True,
    ),
    "people compared by their letters": Mutant(
        "Another spelling of a name is another person.",
        "approved by the one who asked",
        "outcomes follow from what was known",
        (Patch("schemas.people", "return person_of(one) == person_of(other)", "return one == other"),),
    ),
    "acknowledged first": Mutant(
        "Offsets are acknowledged before the commit, and the reading positions do not make up for it.",
        "killed before the commit",
        "commands are answered once",
        (
            Patch(
                "workers.consuming.lanes",
                "        if await self._process(batch.records, progress):",
                "        await self._source.acknowledge({partition_of(one): one.offset + 1 for one in batch.records})\n"
                "        if await self._process(batch.records, progress):",
            ),
            _GROUP_IS_BELIEVED,
        ),
    ),
    "acknowledged beyond what is durable": Mutant(
        "A batch that was given up is acknowledged anyway, and the reading positions do not make up for it.",
        "stopped in an outage",
        "commands are answered once",
        (
            Patch(
                "workers.consuming.lanes",
                "            # Its shards stay busy:",
                "            offsets = {partition_of(one): one.offset + 1 for one in batch.records}\n"
                "            await self._source.acknowledge(offsets)\n"
                "            # Its shards stay busy:",
            ),
            _GROUP_IS_BELIEVED,
        ),
    ),
    "offsets of the group believed": Mutant(
        "Reading begins where the consumer group says, and not where the database does.",
        "killed before the commit, and offsets moved to the end",
        "commands are answered once",
        (_GROUP_IS_BELIEVED,),
    ),
    "reading positions noted first": Mutant(
        "Reading positions are committed in a transaction of their own, before what follows from the records.",
        "killed before the commit, and offsets moved to the end",
        "commands are answered once",
        (
            Patch(
                "workers.batches.transaction",
                "        await self._ensure_partition()\n",
                "        await self._ensure_partition()\n"
                "        async with self._engine.begin() as early:\n"
                "            await move_heads(early, {}, spans)\n",
            ),
        ),
    ),
    "two batches of one organization at once": Mutant(
        "An organization's next batch starts before the previous one is durable.",
        "an error in the first of many batches",
        "commands are answered in their order",
        (Patch("workers.consuming.waiting", "[one for one in self._shards if one not in busy]", "list(self._shards)"),),
    ),
    "acknowledged above a gap": Mutant(
        "How far a partition is read is where the last record that was decided ends, whatever is undecided before it.",
        "killed above a gap",
        "commands are answered once",
        (
            Patch(
                "workers.batches.progress",
                "                position = offset\n                break\n",
                "                pass\n",
            ),
        ),
    ),
    "heads not locked": Mutant(
        "The heads of the shards are read but not locked.",
        "a zombie in its transaction",
        "the database refused it",
        (_NO_LOCK,),
    ),
    "memory not fenced": Mutant(
        "The memory of a shard is trusted although another process has written there since.",
        "others write in between",
        "the database refused it",
        (Patch("db.memory", "if self._heads.pop(shard, None) != head:", "if self._heads.pop(shard, None) is None:"),),
        is_quick=True,
    ),
    "events after the state": Mutant(
        "Events are appended in a second transaction, after that of the state they describe.",
        "killed after the commit",
        "has a hole",
        (
            Patch(
                "workers.batches.transaction",
                "                await append(connection, rows)\n",
                "                pass\n",
            ),
            Patch(
                "workers.batches.transaction",
                "        self._memory.leave(entered, moved, known.whole, known.book)\n",
                "        async with self._engine.begin() as later:\n"
                "            await append(later, rows)\n"
                "        self._memory.leave(entered, moved, known.whole, known.book)\n",
            ),
        ),
        is_quick=True,
    ),
    "log read by a sequence": Mutant(
        "Positions come from a sequence instead of the locked head, and the relay reads what is beyond its last one.",
        "a slow transaction",
        "was never published",
        (
            Patch(
                "db.shards",
                "SELECT shard, position, hash, last_instant, written_at FROM shards\n        WHERE shard = ANY",
                "SELECT shard, 1000 * nextval('ids') AS position, hash, last_instant, written_at FROM shards\n"
                "        WHERE shard = ANY",
            ),
            _NO_LOCK,
            Patch(
                "db.shards", "SET position = head.position", "SET position = greatest(shards.position, head.position)"
            ),
            Patch("workers.publishing.packing", "if row.position != before.position + 1:", "if row.position <= 0:"),
            _NO_HASHES,
        ),
    ),
    "a payer overwritten": Mutant(
        "A new payer overwrites the previous one's row instead of adding its own.",
        "payers change",
        "bindings_append_only",
        (
            Patch(
                "db.store",
                '    await _copy(connection, "bindings", tuple(BINDING_TYPES), '
                "list(map(binding_row, changed.bindings)))\n",
                "    for one in changed.bindings:\n"
                "        if one.number == 1:\n"
                '            await _copy(connection, "bindings", tuple(BINDING_TYPES), [binding_row(one)])\n'
                "            continue\n"
                '        overwrite = text("UPDATE bindings SET account = :account WHERE project = :project")\n'
                "        await fetch(connection, overwrite, account=one.account, project=one.project)\n",
            ),
        ),
        is_quick=True,
    ),
    "a fault passed over": Mutant(
        "A record whose handling fails is logged and skipped.",
        "an error as of a bug",
        "a role has ended",
        (
            Patch(
                "workers.batches.transaction",
                "                return await self._process(role, [letter], clock, progress, is_last=True)\n",
                "                return []\n",
            ),
        ),
    ),
    "timers do not ask again": Mutant(
        "What was found due is done without checking under the lock that it still is due.",
        "timers come late",
        "before its instant",
        (
            Patch(
                "domain.fold",
                "if scheduled is not None and scheduled.due_at <= now:",
                "if scheduled is not None:",
            ),
        ),
    ),
    "published positions remembered": Mutant(
        "After a transaction of unknown outcome the relay continues from positions that it remembers.",
        "the end of a transaction is not answered",
        "events are published once",
        (
            Patch(
                "workers.publishing.relay",
                "                kept = await take_up(self._engine, self._settings, at_least)\n",
                "                kept = await take_up(self._engine, self._settings, at_least)\n"
                "                kept.positions = vars(self._telling).get('kept') or kept.positions\n",
            ),
            Patch(
                "workers.publishing.relay",
                "                    self._bound.reach(publication.reached)\n",
                "                    self._bound.reach(publication.reached)\n"
                "                    vars(self._telling)['kept'] = positions\n",
            ),
        ),
        is_quick=True,
    ),
    "positions in a transaction of their own": Mutant(
        "The relay's positions follow in a transaction after that of the events.",
        "the relay killed after its commit",
        "events are published once",
        (POSITIONS_APART,),
    ),
    "positions read uncommitted": Mutant(
        "The relay believes positions from aborted transactions.",
        "the relay killed before its commit",
        "log and topics are the same",
        (
            Patch(
                "workers.publishing.positions",
                "**kafka_reading_options(settings)",
                '**kafka_reading_options(settings) | {"isolation_level": "read_uncommitted"}',
            ),
        ),
    ),
    "no fencing": Mutant(
        "Each relay has its own transactional id, so that none is fenced by the next.",
        "a zombie relay",
        "events are published once",
        (
            Patch(
                "workers.publishing.dividing",
                '    return f"{name}{slot}" if number == 1 else f"{name}{number}-{slot}"',
                "    return f\"{name}{__import__('uuid').uuid4()}\"",
            ),
        ),
    ),
    "end of a transaction sent again": Mutant(
        "A request to end a transaction is sent again, and the producer stays in use.",
        "the end of a transaction comes again",
        "events are published once",
        (
            Patch(
                "workers.publishing.producer", "        if self._is_end_unanswered:\n", "        if not self.client:\n"
            ),
        ),
    ),
    "an altered row published": Mutant(
        "The relay does not check that the log continues what was published.",
        "a row of the log is altered",
        "an altered row was published",
        (_NO_HASHES,),
    ),
    "synchronous_commit is off": Mutant(
        "A commit is confirmed before it is on disk, and the check at startup does not look.",
        "PostgreSQL is killed",
        "a role has ended",
        (
            Patch(
                "db.connecting",
                '    "timezone": "UTC",\n',
                '    "timezone": "UTC",\n    "synchronous_commit": "off",\n',
            ),
            Patch("db.safety", '"synchronous_commit": ("off", "local")', '"synchronous_commit": ("never",)'),
        ),
    ),
    "a redriven record taken twice": Mutant(
        "A worker does not see that it has read a redriven record before, at another place.",
        "a record redriven and sent again",
        "dead letters of a record that was redriven once",
        (
            Patch(
                "db.load",
                "await _handled(connection, needs.records) | redriven.repeated",
                "await _handled(connection, needs.records)",
            ),
        ),
    ),
    **OF_SLOTS,
    **OF_WATERMARKS,
    **OF_REPLAYING,
    **OF_ARCHIVING,
    **OF_QUESTIONS,
    **OF_RIGHTS,
}
