"""`whopays dead-letters redrive`: records are put on their topics again once their cause is fixed."""

import asyncio
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaProducer

from cli.operating.dead_letters import found_dead_letters
from cli.terminal.ending import CommandFailed, Misused
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import AsJson, count_of, print_json
from cli.terminal.touching import name_what_is_touched
from db.dead_letters import KeptDeadLetter, mark_redriven, value_of, waiting_dead_letters
from db.engine import create_engine
from schemas.records import DeadLetterReason
from schemas.topics import INPUT_TOPICS
from workers.runtime.settings import Settings

_AT_ONCE = 100
_LARGEST_REQUEST_BYTES = 16 * 1024 * 1024


def redrive(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[NUMBER]...", help="Their numbers.", show_default=False)
    ] = None,
    reason: Annotated[
        DeadLetterReason | None, typer.Option(help="All of this reason that were not redriven yet.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put records on their topics again, once the cause is fixed.

    They are sent as they were, with key, headers and value. One that has taken effect meanwhile has no second effect:
    commands go by their id, facts by their version. A record with a card number was not kept, and cannot be redriven.
    """
    if bool(numbers) == (reason is not None):
        raise Misused("Say which ones: whopays dead-letters redrive NUMBER ..., or --reason REASON.")
    settings = load_settings()
    name_what_is_touched(settings)
    with reaching(settings):
        redriven = asyncio.run(_redrive(settings, numbers, reason))
    if as_json:
        print_json({"redriven": redriven})
    elif redriven:
        records = count_of(len(redriven), "record was", "records were")
        typer.echo(f"{records} put on the topic again: whopays tail shows what comes of it.")
    else:
        typer.echo("There is nothing to redrive.")


async def _redrive(
    settings: Settings, numbers: list[int] | None, reason: DeadLetterReason | None
) -> list[dict[str, Any]]:
    engine = create_engine(settings.database_url, pool_size=1)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        enable_idempotence=True,
        max_request_size=_LARGEST_REQUEST_BYTES,
    )
    redriven = []
    try:
        async with engine.connect() as connection:
            wanted = numbers or await waiting_dead_letters(connection, reason)
        await producer.start()
        for start in range(0, len(wanted), _AT_ONCE):
            async with engine.connect() as connection:
                page = await found_dead_letters(connection, wanted[start : start + _AT_ONCE])
            for kept in page:
                _insist_on_redrivable(kept, settings)
            for kept in page:
                sent = await producer.send_and_wait(
                    kept.record.topic,
                    value_of(kept, settings.keys() if kept.sealed else None),
                    key=kept.record.key,
                    headers=list(kept.record.headers),
                )
                # After it was sent: if this process dies in between, it is sent twice, which has no second effect.
                async with engine.begin() as connection:
                    await mark_redriven(connection, kept.number)
                redriven.append({"number": kept.number, "place": f"{sent.topic}/{sent.partition}/{sent.offset}"})
    finally:
        await producer.stop()
        await engine.dispose()
    return redriven


def _insist_on_redrivable(kept: KeptDeadLetter, settings: Settings) -> None:
    if kept.reason is DeadLetterReason.CARD_NUMBER:
        raise CommandFailed(
            f"The record of dead letter {kept.number} was not kept, because it holds a card number: there is nothing "
            "to redrive. Its sender has to send it again, with a token instead of the number."
        )
    if kept.record.topic not in {settings.topic(topic) for topic in INPUT_TOPICS}:
        raise CommandFailed(
            f"Dead letter {kept.number} is of the topic {kept.record.topic}, which this installation does not "
            f"read: WHOPAYS_TOPIC_PREFIX={settings.topic_prefix}"
        )
