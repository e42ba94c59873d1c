"""Mutants of replays: each is found out by what its topics hold."""

from tests.faults.mutating import Mutant, Patch

POSITIONS_APART = Patch(
    "workers.publishing.producer",
    """\
            await producer.begin_transaction()
            for (topic, partition), batch in batches:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
            written = await asyncio.gather(*sent)
            await asyncio.shield(producer.commit_transaction())
""",
    """\
            written = []
            for is_last in (False, True):
                await producer.begin_transaction()
                sent = [
                    await producer.send_batch(batch, topic, partition=partition)
                    for (topic, partition), batch in batches
                    if topic.endswith("-positions") == is_last
                ]
                written += await asyncio.gather(*sent)
                await asyncio.shield(producer.commit_transaction())
""",
)
"""How far it is follows in a transaction after that of the records."""

OF_REPLAYING: dict[str, Mutant] = {
    "a replay's position in a transaction of its own": Mutant(
        "How far a replay is follows in a transaction after that of the records.",
        "a replay killed after a commit",
        "one of them lost records",
        (POSITIONS_APART,),
    ),
    "a replay that begins again": Mutant(
        "A replay that was killed does not ask how far it was, nor what its topic shows.",
        "a replay killed after a commit",
        "that the log gives",
        (
            Patch(
                "workers.replaying.working",
                "await read_tally(self._settings, self._name) or Tally.empty(replay.partitions)",
                "Tally.empty(replay.partitions)",
            ),
            Patch(
                "workers.replaying.working",
                "        await insist_on_agreement(self._settings, replay.target, tally.last_ids(self._name))\n",
                "",
            ),
        ),
    ),
    "the end of a replay included": Mutant(
        "What happened at the very end of a replay is part of it.",
        "replays undisturbed",
        "that the log gives",
        (Patch("db.history", 'if row["recorded_at"] < instant:', 'if row["recorded_at"] <= instant:'),),
        is_quick=True,
    ),
    "a digest that forgets keys": Mutant(
        "The digest of a partition is over the values alone.",
        "replays undisturbed",
        "the digest of partition",
        (
            Patch(
                "workers.replaying.tally",
                "digest + _with_length(key) + _with_length(value)",
                "digest + _with_length(value)",
            ),
        ),
    ),
    "a snapshot of what was first": Mutant(
        "A snapshot keeps the first event of a subject instead of the last.",
        "replays undisturbed",
        "that the log gives",
        (
            Patch(
                "workers.replaying.snapshot",
                "                held[subject] = shard, position\n",
                "                held.setdefault(subject, (shard, position))\n",
            ),
        ),
    ),
    "shards replayed one after the other": Mutant(
        "The logs of shards follow each other instead of being merged by time.",
        "replays undisturbed",
        "that the log gives",
        (Patch("workers.replaying.merging", "            ready.sort(key=_order)\n", ""),),
    ),
}
