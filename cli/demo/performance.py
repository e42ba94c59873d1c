"""Plays the story: starts servers and workers, sends the messages one by one, then asks the questions."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.status import Status

from cli.demo import telling
from cli.demo.audience import Audience
from cli.demo.instants import questions_about
from cli.demo.replaying import paid, replay
from cli.demo.story import GRANTS, PROJECTS, STORY, Step, message_of
from cli.development.issuer import DevIssuer, with_issuer
from cli.development.servers import embedded_servers, prepare, with_key
from cli.terminal.ending import CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import remembered, warn_of_unknown_variables
from db.engine import create_engine
from db.questions.intervals import timeline
from db.questions.payers import paying_account
from workers.exchange import Exchange, Message, open_exchange
from workers.process import Process
from workers.runtime.logs import set_up_logs
from workers.runtime.roles import ALL_ROLES
from workers.runtime.settings import Settings

_ANSWER_SECONDS = 20.0
_REPLAY_SECONDS = 60.0
_TOKEN_SECONDS = 3600


def perform(data_dir: Path, screen: Console, began: float, *, serves_console: bool) -> None:
    """Empty the data folder, start PostgreSQL and Kafka in it, play the story, and stop everything at the end.

    `began` is the start of this process on the monotonic clock. With `serves_console`, the console is served before
    the end, until Ctrl-C.

    Raises CommandFailed, EmbeddedError, DatabaseRefused.
    """
    warn_of_unknown_variables()
    own = {"auth": "jwt", "issuers": {}, "log_level": "ERROR", "log_format": "console", "metrics_port": 0}
    settings = Settings().model_copy(update=own)
    set_up_logs(settings)
    # On a broker that has just started, the client logs errors about things that do not exist yet.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    telling.introduce(screen)
    report = telling.reporter(screen)
    with screen.status("Working ...") as status, embedded_servers(data_dir, report, reset=True) as addresses:
        found = {
            "database_url": addresses.database_url,
            "kafka_bootstrap_servers": addresses.kafka_bootstrap_servers,
        }
        settings = with_issuer(with_key(settings.model_copy(update=found), data_dir), data_dir)
        tokens = {who: DevIssuer(data_dir).token(who, grants, _TOKEN_SECONDS) for who, grants in GRANTS.items()}
        with reaching(settings):
            asyncio.run(_play(settings, tokens, screen, status, serves_console=serves_console))
        status.update("Stopping the servers ...")
        status.start()
    telling.conclude(screen, data_dir, time.monotonic() - began)


async def _play(
    settings: Settings, tokens: Mapping[str, str], screen: Console, status: Status, *, serves_console: bool
) -> None:
    """Run the workers in this process while the story is played and the console is served."""
    report = telling.reporter(screen)
    await prepare(settings, report)
    report("Starting the consumers and the relay ...")
    is_ready = asyncio.Event()
    process = Process(settings, ALL_ROLES, is_ready.set)
    service = asyncio.create_task(process.app.run())
    story = asyncio.create_task(_tell(settings, tokens, screen, status, is_ready, serves_console=serves_console))
    await asyncio.wait({service, story}, return_when=asyncio.FIRST_COMPLETED)
    if not story.done():
        story.cancel()
        with suppress(asyncio.CancelledError):
            await story
        await service
        raise CommandFailed("The demonstration was interrupted.")
    process.app.exit()
    await service
    await story


async def _tell(
    settings: Settings,
    tokens: Mapping[str, str],
    screen: Console,
    status: Status,
    is_ready: asyncio.Event,
    *,
    serves_console: bool,
) -> None:
    await is_ready.wait()
    audience = Audience(settings)
    listening = asyncio.create_task(audience.listen())
    try:
        async with open_exchange(settings) as exchange:
            status.stop()
            sent: list[Message] = []
            for chapter in STORY:
                telling.begin_chapter(screen, chapter)
                for step in chapter.steps:
                    sent.append(sent[-1] if step.repeats else message_of(step, len(sent) + 1, tokens.get(step.who)))
                    await _take(step, sent[-1], exchange, audience, screen)
        await _ask(settings, screen)
        telling.list_events(screen, audience.heard)
        await _replay(settings, audience, screen)
        if serves_console:
            await _serve(settings, screen)
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def _serve(settings: Settings, screen: Console) -> None:
    """Serve the console until Ctrl-C; meanwhile, commands in this folder find the installation."""
    from service.serving import serve  # noqa: PLC0415 - needs packages that the rest of the demo does not

    with remembered(settings):
        await serve(settings, lambda where: telling.invite(screen, where))


async def _take(step: Step, message: Message, exchange: Exchange, audience: Audience, screen: Console) -> None:
    """Send a step's message, wait until the events it caused are published, and show them."""
    answer = await exchange.send(message, _ANSWER_SECONDS)
    if not answer.is_handled or answer.dead_letter or (message.is_command and answer.result is None):
        raise CommandFailed(f"The story stopped: {message.name} of {message.organization} was not answered.")
    count = answer.result["data"]["eventCount"] if answer.result else len(answer.events)
    caused = await audience.hear(message.event["id"], count)
    telling.show_step(screen, step, message, answer, caused)


async def _replay(settings: Settings, audience: Audience, screen: Console) -> None:
    """Replay all changes of payer, and compare a fresh consumer's sums with those of the live events."""
    until = datetime.now(UTC)
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        async with asyncio.timeout(_REPLAY_SECONDS):
            kept, again = await replay(engine, settings, until)
    finally:
        await engine.dispose()
    live = paid(audience.heard, until)
    telling.compare(screen, kept.target, live, paid(again, until))
    if paid(again, until) != live:
        raise CommandFailed("The replay adds up to different sums.")


async def _ask(settings: Settings, screen: Console) -> None:
    """Draw every project's payers, and ask who paid at some instants."""
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        async with engine.connect() as connection:
            timelines = {name: await timeline(connection, *name) for name in PROJECTS}
            telling.draw_timelines(screen, timelines)
            asked = questions_about(timelines)
            answers = [await paying_account(connection, *one.project, one.at) for one in asked]
            telling.answer_questions(screen, asked, answers)
    finally:
        await engine.dispose()
