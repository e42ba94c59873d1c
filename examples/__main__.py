"""`make examples`: the three pipelines at work, on a real PostgreSQL and a real Kafka that are started for it."""

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.text import Text

from cli.development.servers import embedded_servers, prepare, with_key
from cli.terminal.layout import Card, Column, Listing
from cli.terminal.screen import console, put
from db.engine import create_engine
from examples import truth
from examples.story import Outcome, Story
from whopays_client import Connection
from workers.process import Process
from workers.runtime.logs import set_up_logs
from workers.runtime.roles import ALL_ROLES
from workers.runtime.settings import Settings


def main() -> int:
    """Play the story, show what came of it, and compare it with PostgreSQL. Return the exit status."""
    began = time.monotonic()
    screen = console()
    own = {"auth": "trusted", "log_level": "ERROR", "log_format": "console", "metrics_port": 0}
    settings = Settings().model_copy(update=own)
    set_up_logs(settings)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    introduction = (
        "Usage, invoicing and payments, each a file of less than 150 lines, on a running whopays. They are killed in "
        "between. In the end, what they say is compared with PostgreSQL's own bindings."
    )
    put(screen, Card(Text("Three pipelines to copy", style="bold"), [Text(introduction)], "cyan"))

    def report(line: str) -> None:
        put(screen, Text(line, style="dim", no_wrap=True))

    with tempfile.TemporaryDirectory(prefix="whopays-examples-") as folder:
        data = Path(folder) / "data"
        with screen.status("Working ...") as status, embedded_servers(data, report, reset=False) as addresses:
            found = {
                "database_url": addresses.database_url,
                "kafka_bootstrap_servers": addresses.kafka_bootstrap_servers,
            }
            settings = with_key(settings.model_copy(update=found), data)
            is_right = asyncio.run(_play(settings, Path(folder), screen, status, report))
            status.update("Stopping the servers ...")
            status.start()
    put(screen, Text(f"\nThat took {time.monotonic() - began:.0f} seconds. examples/README.md says how it is done."))
    return 0 if is_right else 1


async def _play(
    settings: Settings, folder: Path, screen: Console, status: Status, report: Callable[[str], None]
) -> bool:
    """Run whopays in this process while the story is played. Return whether all is as it must be."""
    await prepare(settings, report)
    report("Starting the consumers and the relay ...")
    is_ready = asyncio.Event()
    process = Process(settings, ALL_ROLES, is_ready.set)
    service = asyncio.create_task(process.app.run())
    story = asyncio.create_task(_tell(settings, folder, screen, status, is_ready))
    await asyncio.wait({service, story}, return_when=asyncio.FIRST_COMPLETED)
    if not story.done():
        story.cancel()
        with suppress(asyncio.CancelledError):
            await story
        await service
        return False
    process.app.exit()
    await service
    return await story


async def _tell(settings: Settings, folder: Path, screen: Console, status: Status, is_ready: asyncio.Event) -> bool:
    await is_ready.wait()
    status.update("The pipelines are at work ...")

    def tell(line: str) -> None:
        put(screen, Text.assemble(("→ ", "cyan"), line))

    connection = Connection(settings.kafka_bootstrap_servers, settings.topic_prefix)
    outcome = await Story(connection, folder, tell, _command_line(settings)).play()
    status.stop()
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        async with engine.connect() as database:
            paid = await truth.timelines(database)
    finally:
        await engine.dispose()
    _show(screen, outcome)
    checks = truth.claims(outcome, paid)
    put(screen, Text())
    for check, is_right in checks.items():
        put(screen, Text.assemble(("✔ ", "green") if is_right else ("✘ This is not so: ", "red"), check))
    return all(checks.values())


def _show(screen: Console, outcome: Outcome) -> None:
    tables = (
        ("Rollups", ("account", "day", "meter", "quantity", "records"), outcome.rollups),
        ("Quarantine", ("project", "usage", "reason"), outcome.quarantine),
        ("Warnings", ("project", "account", "notice"), outcome.warnings),
        (
            f"Invoices of {outcome.period[0]:%H:%M:%S.%f} to {outcome.period[1]:%H:%M:%S.%f} (UTC)",
            ("account", "project", "from", "until", "share of the period", "currency", "net days"),
            [
                (
                    account, line["project"], line["from"][11:26], line["until"][11:26], line["share"],
                    line["currencyCode"], line["paymentTerms"]["netDays"],
                )
                for account, lines in outcome.invoices.items()
                for line in lines
            ],
        ),
    )  # fmt: skip
    for title, columns, rows in tables:
        put(screen, Text.assemble("\n", ("── ", "cyan"), (title, "bold")))
        cells = [tuple(Text(str(cell)) for cell in row) for row in rows]
        put(screen, Listing(tuple(Column(name) for name in columns), cells))


def _command_line(settings: Settings) -> list[str]:
    """Return the words that call the command line of whopays on the servers that were started."""
    found = settings.model_dump(mode="json", include={"database_url", "kafka_bootstrap_servers"})
    return ["env", *(f"WHOPAYS_{name.upper()}={value}" for name, value in found.items()), sys.executable, "-m", "cli"]


if __name__ == "__main__":
    sys.exit(main())
