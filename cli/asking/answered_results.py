"""`whopays result`: the question about the result of a command."""

from typing import TYPE_CHECKING

import orjson

from cli.asking.reaching import reached
from cli.asking.snapshots import one_snapshot
from cli.terminal.ending import CommandFailed
from cli.terminal.installation import database_address, load_settings
from cli.terminal.output import print_json
from cli.terminal.screen import show
from db.questions.results import has_archive, published_results

if TYPE_CHECKING:
    from db.archive.store import Store


def result(organization: str, command_id: str, source: str | None, *, as_json: bool) -> None:
    """Print the results of the commands with an id. Raises CommandFailed."""
    from cli.sending.answers import result_card  # noqa: PLC0415 - imports Kafka

    database_url = database_address()

    async def look() -> list[bytes]:
        async with one_snapshot(database_url, organization) as (connection, _):
            values = await published_results(connection, organization, command_id, source)
            if not await has_archive(connection):
                return values
            from db.questions.archived_results import archived_results, read_results  # noqa: PLC0415 - slow to import

            elsewhere = await archived_results(connection, organization, command_id, source)
        return values + (await read_results(_archive(), elsewhere) if elsewhere else [])

    values = reached(look())
    if not values:
        sender = f" of {source}" if source else ""
        raise CommandFailed(
            f"The organization {organization} has no answered command {command_id}{sender}.\n"
            "It was not sent, is not answered yet (whopays health), was a dry run, or came from nobody known: "
            "the last two claim no id."
        )
    events = [orjson.loads(value) for value in values]
    if as_json:
        print_json(events)
    else:
        show(*map(result_card, events))


def _archive() -> "Store":
    from workers.runtime.archive import archive_of  # noqa: PLC0415 - few results are archived

    store = archive_of(load_settings())
    if store is None:
        raise CommandFailed("Its result is in the archive of the log: WHOPAYS_ARCHIVE_URL must say where that is.")
    return store
