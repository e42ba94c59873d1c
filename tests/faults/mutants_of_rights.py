"""Mutants of rights: each lets somebody in who has no right, or refuses what was accepted."""

from tests.faults.mutating import Mutant, Patch

_EVERY_KIND = "tokens of every kind"
_ONCE = "commands are answered once"
_AGAIN = "read again without the key"
_REDRIVEN = "redriven, with and without rights"
_QUESTIONS = "questions with tokens"

OF_RIGHTS: dict[str, Mutant] = {
    "judged as of now": Mutant(
        "A token is judged as of when its command is read, not as of when the broker got that.",
        "a token that ends before it is read",
        _ONCE,
        (
            Patch("workers.batches.asking", "from datetime import datetime\n", "from datetime import UTC, datetime\n"),
            Patch(
                "workers.batches.asking",
                "verify(record.headers, record.timestamp)",
                "verify(record.headers, datetime.now(UTC))",
            ),
        ),
    ),
    "tokens that never end": Mutant(
        "Nobody looks at when a token ends.",
        "a token that ends before it is read",
        _ONCE,
        (Patch("workers.runtime.tokens.claims", "if instant >= self.expires + LEEWAY_SECONDS:", "if not instant:"),),
    ),
    "a stranger claims an id": Mutant(
        "A command that is Forbidden claims its id: whoever it belongs to is told that it was used.",
        _EVERY_KIND,
        _ONCE,
        (
            Patch(
                "domain.fold",
                "is_looked_up = not broken and not message.dry_run",
                'is_looked_up = all(one.reason == "Forbidden" for one in broken) and not message.dry_run',
            ),
        ),
        is_quick=True,
    ),
    "nobody claims an id": Mutant(
        "A command that is Unauthenticated claims its id.",
        _EVERY_KIND,
        _ONCE,
        (
            Patch(
                "domain.fold",
                "is_looked_up = not broken and not message.dry_run",
                'is_looked_up = all(one.reason == "Unauthenticated" for one in broken) and not message.dry_run',
            ),
        ),
    ),
    "authid is believed": Mutant(
        "A command may name another than its token's person.",
        _EVERY_KIND,
        _ONCE,
        (Patch("schemas.asking", "if authid is not None and not _names(authid, asker.person):", "if not asker:"),),
    ),
    "a token for any command": Mutant(
        "The claim that names the command that a token is for is read, and not compared.",
        _EVERY_KIND,
        _ONCE,
        (Patch("schemas.asking", "if command is not None and command != (event.source, event.id):", "if not asker:"),),
    ),
    "signatures not verified": Mutant(
        "A token is believed whoever has signed it, if its key cannot be found.",
        _EVERY_KIND,
        _ONCE,
        (
            Patch(
                "workers.runtime.tokens.verifying",
                "        if isinstance(key, Unidentified):\n            return key\n",
                "        if isinstance(key, Unidentified):\n            return found\n",
            ),
        ),
    ),
    "lists not looked at": Mutant(
        "What a grant is narrowed to is not looked at.",
        _EVERY_KIND,
        _ONCE,
        (Patch("schemas.askers", "return names is None or name in names", "return names is None or name != ''"),),
    ),
    "one right of two": Mutant(
        "A command that needs two rights is let in with either.",
        _EVERY_KIND,
        _ONCE,
        (
            Patch(
                "domain.rights",
                "    return Judged(missing, tuple(used))",
                "    return Judged([] if used else missing, tuple(used))",
            ),
        ),
    ),
    "accepted once, judged again": Mutant(
        "A command that is read again is judged again, by the keys of the day.",
        _AGAIN,
        _ONCE,
        (
            Patch(
                "db.load",
                "    handled |= await _accepted(connection, needs.refused)\n",
                "",
            ),
        ),
    ),
    "refused once, refused again": Mutant(
        "Of what is refused nothing is kept, so that it is refused again when it is read again.",
        _AGAIN,
        _ONCE,
        (Patch("domain.fold", "if message.asks_again or not (claims or is_repeated):", "if message.asks_again:"),),
    ),
    "who asked first forgotten": Mutant(
        "A redriven command has no token, and nobody looks up who asked when it first came.",
        _REDRIVEN,
        _ONCE,
        (
            Patch(
                "workers.batches.asking",
                "[record for record in records if record.redrive_id is not None]",
                "[]",
            ),
        ),
    ),
    "redriven by whoever may": Mutant(
        "A redriven command is judged by what its redriver may do, which is everything.",
        _REDRIVEN,
        _ONCE,
        (
            Patch(
                "workers.batches.asking",
                "return await kept_askers(connection, records, self._keys)",
                "kept = await kept_askers(connection, records, self._keys)\n"
                "                    return dict(zip(kept, map(_of_the_redriver, kept.values())))",
            ),
            Patch(
                "workers.batches.asking",
                "class Askers:\n",
                "def _of_the_redriver(checked):\n"
                "    from dataclasses import replace\n"
                "    from schemas.askers import Verified\n"
                "    if not isinstance(checked, Verified):\n"
                "        return checked\n"
                "    return replace(checked, asker=replace(checked.asker, grants=None))\n\n\n"
                "class Askers:\n",
            ),
        ),
    ),
    "the id of a redrive suffices": Mutant(
        "Whatever has the id of a redrive is judged by its dead letter, also what is not the letter's record.",
        _REDRIVEN,
        _ONCE,
        (Patch("db.redriven", "if id_ in letters and is_record_of(letters[id_], record)", "if id_ in letters"),),
    ),
    "lists tell everything": Mutant(
        "A list of projects has all of them, whoever asks.",
        _QUESTIONS,
        "sees the projects",
        (Patch("service.projects", "            reach=asked.reach,\n", ""),),
    ),
    "what is named is answered": Mutant(
        "Whoever has a role in an organization is answered about any account that they can name.",
        _QUESTIONS,
        "is out of reach",
        (
            Patch(
                "service.rights",
                'if "account" in names and not reach.sees_account(names["account"]):',
                'if "account" in names and reach is None:',
            ),
        ),
    ),
    "a stream tells everything": Mutant(
        "A stream of events tells all of the organization's, whoever follows it.",
        _QUESTIONS,
        "a stream tells of others",
        (Patch("service.event_streams", "        if reach.is_everything:\n", "        if event:\n"),),
    ),
    "a stream that outlives its token": Mutant(
        "A token is looked at when a stream begins, and never again.",
        _QUESTIONS,
        "a stream outlives its token",
        (
            Patch(
                "service.event_streams",
                "not self.asked.state.stopping.is_set() and seconds_left(self.asked.asker) > 0:",
                "not self.asked.state.stopping.is_set():",
            ),
            Patch(
                "service.event_streams",
                "max(0.0, min(_SILENT_SECONDS - silent, seconds_left(self.asked.asker)))",
                "max(0.0, _SILENT_SECONDS - silent)",
            ),
        ),
    ),
}
