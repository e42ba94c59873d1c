"""`whopays dead-letters discard`: notes why nothing is to be done about dead letters."""

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.operating.choosing import (
    choice_of,
    insist_on_a_choice,
    person,
    single_numbers,
)
from cli.operating.dead_letters import no_such_dead_letter
from cli.terminal.asking import ask
from cli.terminal.ending import Misused
from cli.terminal.installation import load_settings
from cli.terminal.output import count_of, print_json
from cli.terminal.touching import name_what_is_touched
from db.dead_letter_actions import discard as discard_letters
from db.dead_letters import KeptDeadLetter, Standing, find_what_is_kept, numbers_of
from schemas.card_numbers import has_card_number_within
from schemas.instants import format_instant
from schemas.records import DeadLetterReason
from schemas.scalars import Text

_NAMED_AT_MOST = 20


def discard(
    *,
    numbers: list[str] | None,
    reason: str | None,
    is_all: bool,
    topic: str | None,
    organization: str | None,
    of_reason: DeadLetterReason | None,
    since: str | None,
    records: list[str] | None,
    erases: bool,
    is_sure: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Note that nothing is to be done about dead letters, and why."""
    why = _reason(reason)
    insist_on_a_choice(numbers, is_all, topic, organization, of_reason, since, records)
    who = person(by)
    settings = load_settings()
    # Dead letters that were redriven or discarded before may still contain data to be erased.
    standing = None if numbers or erases else Standing.WAITING
    choice = choice_of(settings, numbers, topic, organization, of_reason, since, records, standing)
    name_what_is_touched(settings, kafka=False)

    async def look(connection: AsyncConnection) -> list[int]:
        known = await find_what_is_kept(connection, single_numbers(numbers))
        for number in single_numbers(numbers):
            if number not in known:
                raise no_such_dead_letter(number)
        return [number for number, _ in await numbers_of(connection, choice)]

    chosen = ask(settings, look)
    if erases and chosen and not is_sure:
        question = f"Erase {count_of(len(chosen), 'record')}? Nobody will ever be able to read or redrive them again."
        typer.confirm(question, abort=True, err=True)

    async def work(connection: AsyncConnection) -> tuple[list[int], list[KeptDeadLetter]]:
        return await discard_letters(connection, chosen, who, why, erases=erases)

    discarded, left = ask(settings, work) if chosen else ([], [])
    if as_json:
        print_json({"discarded": discarded, "left": [kept.number for kept in left]})
        return
    if discarded:
        typer.echo(f"{count_of(len(discarded), 'dead letter is', 'dead letters are')} discarded.")
    for kept in left[:_NAMED_AT_MOST]:
        is_redriven = kept.standing is Standing.REDRIVEN
        instant = kept.redriven_at if is_redriven else kept.discarded_at
        done = "redriven" if is_redriven else "discarded"
        when = f", at {format_instant(instant)}" if instant else ""
        typer.echo(f"Dead letter {kept.number} was {done} already{when}, and was left alone.")
    if len(left) > _NAMED_AT_MOST:
        more = len(left) - _NAMED_AT_MOST
        typer.echo(f"The same holds for {count_of(more, 'other dead letter', 'other dead letters')}.")
    if not (discarded or left):
        typer.echo("There is nothing to discard.")


def _reason(text: str | None) -> str:
    if text is None or not text.strip():
        raise Misused("Say why, for later readers: --reason TEXT.")
    if has_card_number_within(text):
        raise Misused("--reason holds what looks like a card number, which is kept nowhere.")
    try:
        return TypeAdapter(Text).validate_python(text.strip())
    except ValidationError as error:
        raise Misused(f"--reason {error.errors()[0]['msg']}.") from None
