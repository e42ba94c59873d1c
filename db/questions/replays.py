"""The question about replays; `db.replays.find_replay` finds one by name."""

from collections.abc import Collection

from db.driver import Connection
from db.questions.pages import After
from db.replays import KeptReplay, list_replays


async def replays(
    connection: Connection, *, limit: int, after: After | None = None, within: Collection[str] | None = None
) -> tuple[list[KeptReplay], After | None]:
    """Return a page of replays, newest first, and the key of the last one if there are more: `(begun_at, name)`.

    With `within`, only those of the given organizations. `workers.replaying.tally.document_of` gives the form in which
    `whopays replay show --json` shows each.
    """
    found = await list_replays(connection, before=after and (after[0], after[1]), limit=limit + 1, within=within)
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], None if last is None else (last.begun_at, last.name)
