"""Mutants of the role that answers questions: each says what is not so, or leaves out what is."""

from tests.faults.mutating import Mutant, Patch

_BESIDE_CHANGES = "questions beside changes"
_FOLLOWED = "streams that are cut"
_ONE_SNAPSHOT = "an answer is one snapshot"
_EACH_ONCE = "streams tell each event once"

OF_QUESTIONS: dict[str, Mutant] = {
    "each statement its own snapshot": Mutant(
        "What an answer is of is looked up in the same transaction, but each statement sees what has come meanwhile.",
        _BESIDE_CHANGES,
        _ONE_SNAPSHOT,
        (Patch("service.snapshots", 'isolation="repeatable_read", readonly=True', "readonly=True"),),
        is_quick=True,
    ),
    "a snapshot in two transactions": Mutant(
        "What an answer is of is looked up in a transaction of its own.",
        _BESIDE_CHANGES,
        _ONE_SNAPSHOT,
        (
            Patch(
                "service.snapshots",
                "    async with reading(state) as connection:\n        found = await snapshot_of(connection, shard)\n",
                "    async with reading(state) as first:\n        found = await snapshot_of(first, shard)\n"
                "    async with reading(state) as connection:\n",
            ),
        ),
    ),
    "a database believed that knows less": Mutant(
        "A database that has forgotten what was answered before is asked all the same.",
        "a database that knows less",
        "what is known never falls",
        (
            Patch(
                "service.snapshots",
                "    if before is not None and (found.position",
                "    if not state and (found.position",
            ),
        ),
    ),
    "closed by the clock": Mutant(
        "An instant counts as settled once it is over, whoever is writing to the shard.",
        "questions beside a slow transaction",
        "what is settled never changes",
        (Patch("db.questions.snapshots", "{CLOSED_INSTANT} AS closed", "clock.instant AS closed"),),
    ),
    "closed before it is published": Mutant(
        "The closed instant is the last one of the shard, whether or not its log is published.",
        "questions while nothing is published",
        "is not published",
        (Patch("db.questions.snapshots", "{CLOSED_INSTANT} AS closed", "shards.last_instant AS closed"),),
    ),
    "a tag of the path": Mutant(
        "The ETag is made of what is asked for instead of what is answered.",
        _BESIDE_CHANGES,
        _ONE_SNAPSHOT,
        (Patch("service.answers", "blake2b(body, digest_size=12)", 'blake2b(scope["raw_path"], digest_size=12)'),),
    ),
    "a tag that ignores the query": Mutant(
        "The ETag is made of the path and the snapshot: two instants have the same.",
        _BESIDE_CHANGES,
        _ONE_SNAPSHOT,
        (
            Patch(
                "service.answers",
                "blake2b(body, digest_size=12)",
                'blake2b(scope["raw_path"] + repr(answer.snapshot and answer.snapshot.as_of).encode(), digest_size=12)',
            ),
        ),
    ),
    "304 whatever is known": Mutant(
        "Whoever sends a tag is told that nothing has changed.",
        _BESIDE_CHANGES,
        "nothing odd is answered",
        (Patch("service.answers", "if known is not None and is_known(known, tag):", "if known is not None:"),),
    ),
    "nothing is waited for": Mutant(
        "`atLeast` and `closedAtLeast` are read, and not waited for.",
        _BESIDE_CHANGES,
        "what is waited for is known",
        (Patch("service.waits", "    if event is None and closed is None:\n", "    if asked:\n"),),
    ),
    "a wait that forgets to look": Mutant(
        "When the wait is over, the answer is given whether or not it knows what it must.",
        "questions for what never comes",
        "what is waited for is known",
        (
            Patch(
                "service.waits",
                "    if not _knows(found := await _seen(asked), position, closed):",
                "    if not (found := await _seen(asked)):",
            ),
        ),
    ),
    "a cursor that skips": Mutant(
        "A page begins after the first name of the next one.",
        _BESIDE_CHANGES,
        "pages leave nothing out",
        (Patch("db.questions.pages", "rows[:limit]", "rows[1:limit] if len(rows) > limit else rows[:limit]"),),
    ),
    "a page of events that begins late": Mutant(
        "The event after the one that is named is left out.",
        _BESIDE_CHANGES,
        "pages of events are whole",
        (Patch("db.questions.events", "log.position > :after", "log.position > :after + 1"),),
    ),
    "a stream resumed one event late": Mutant(
        "A stream is resumed after the event that follows the last one.",
        _FOLLOWED,
        _EACH_ONCE,
        (Patch("service.events", "    return after[1]\n", "    return after[1] + 1\n"),),
    ),
    "where a stream was cut off forgotten": Mutant(
        "`Last-Event-ID` is read, and not followed.",
        _FOLLOWED,
        _EACH_ONCE,
        (Patch("service.events", "if said else (_AFTER.name", "if said and not asked else (_AFTER.name"),),
    ),
    "the last event told again": Mutant(
        "Of what is kept of a log's end, the event that was told last is told again.",
        _FOLLOWED,
        _EACH_ONCE,
        (
            Patch("service.tails", "bisect_right(self.events", "bisect_left(self.events"),
            Patch("service.tails", "from bisect import bisect_right", "from bisect import bisect_left"),
        ),
    ),
    "only the end is followed": Mutant(
        "A stream that begins further back than what is kept is given what is kept.",
        _FOLLOWED,
        _EACH_ONCE,
        (Patch("service.tails", "if self.position < tail.after:", "if self.position < 0:"),),
    ),
    "a lost connection never replaced": Mutant(
        "When the connection that hears of commits is lost, nobody makes another.",
        _FOLLOWED,
        _EACH_ONCE,
        (Patch("service.waking", "            await asyncio.sleep(_RETRY_SECONDS)\n", "            return\n"),),
    ),
}
