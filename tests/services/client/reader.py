"""A reader that a test kills: it keeps what it sees of one organization in a table, and writes a line for each change.

python -m tests.services.client.reader SERVERS PREFIX FILE ORGANIZATION [until-end]
"""

import asyncio
import sys

from whopays_client import BindingChanged, Connection, SQLiteStore, Subscriber


async def main(servers: str, prefix: str, file: str, organization: str, *options: str) -> None:
    """Read, for ever or until the end."""
    store = SQLiteStore(file)
    subscriber = Subscriber(
        Connection(servers, prefix), store, "reader", [BindingChanged], max_batch=10, until_end=bool(options)
    )
    async with subscriber:
        async for change in subscriber:
            if change.event.organization == organization:
                change.transaction.execute(
                    "INSERT INTO seen VALUES (?, ?)", (change.heard.subject, change.heard.sequence)
                )
                sys.stdout.write(f"{change.heard.subject} {change.heard.sequence}\n")
                sys.stdout.flush()
    store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
