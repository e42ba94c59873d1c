"""The answer to the question what became of a command."""

import orjson

from cli.asking.reaching import reached
from cli.asking.snapshots import one_snapshot
from cli.terminal.ending import CommandFailed
from cli.terminal.installation import database_address
from cli.terminal.output import print_json
from cli.terminal.screen import show
from db.questions.results import published_results


def result(organization: str, command_id: str, source: str | None, *, as_json: bool) -> None:
    """Print the results of the commands with an id. Raises CommandFailed."""
    from cli.sending.answers import result_card  # noqa: PLC0415 - brings Kafka with it

    database_url = database_address()

    async def look() -> list[bytes]:
        async with one_snapshot(database_url, organization) as (connection, _):
            return await published_results(connection, organization, command_id, source)

    values = reached(look())
    if not values:
        sender = f" of {source}" if source else ""
        raise CommandFailed(
            f"The organization {organization} has no answered command {command_id}{sender}.\n"
            "It was not sent, is not answered yet (whopays health), was a dry run, or came from nobody known: "
            "the last two claim no id. Or its result was archived with an old partition of the log."
        )
    events = [orjson.loads(value) for value in values]
    if as_json:
        print_json(events)
    else:
        show(*map(result_card, events))
