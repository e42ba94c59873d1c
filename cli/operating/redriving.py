"""`whopays dead-letters redrive`: puts records on their topics again once the cause is fixed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.operating.choosing import (
    choice_of,
    insist_on_a_choice,
    person,
    single_numbers,
)
from cli.operating.dead_letters import no_such_dead_letter
from cli.terminal.asking import ask
from cli.terminal.ending import CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import count_of, print_json
from cli.terminal.screen import error_console
from cli.terminal.touching import name_what_is_touched
from db.dead_letters import KeptDeadLetter, Standing, find_what_is_kept
from schemas.instants import format_instant
from schemas.records import DeadLetterReason
from workers.redriving import Redriving
from workers.redriving import redrive as put_again
from workers.runtime.settings import Settings

STOPPED = 3
"""Exit status of a redrive that was stopped before its end."""

_NAMED_AT_MOST = 20


def redrive(
    *,
    numbers: list[str] | None,
    is_all: bool,
    topic: str | None,
    organization: str | None,
    reason: DeadLetterReason | None,
    since: str | None,
    records: list[str] | None,
    again: bool,
    rate: int | None,
    by: str | None,
    as_json: bool,
) -> None:
    """Put records on their topics again, once the cause is fixed."""
    insist_on_a_choice(numbers, is_all, topic, organization, reason, since, records)
    who = person(by)
    settings = load_settings()
    # Dead letters given by number are loaded in any state, so that each can be reported on.
    standing = None if numbers or again else Standing.WAITING
    choice = choice_of(settings, numbers, topic, organization, reason, since, records, standing)
    name_what_is_touched(settings)
    _insist_on_redrivable(settings, single_numbers(numbers))
    state = Redriving()
    try:
        with reaching(settings), _shown(state) as progress:
            asyncio.run(put_again(settings, choice, by=who, again=again, rate=rate, state=state, progress=progress))
    except KeyboardInterrupt:
        _tell(state, as_json=as_json)
        typer.echo(where_to_go_on(state, is_again=again), err=True)
        raise typer.Exit(STOPPED) from None
    except Exception:
        # Whatever the error, report the records that are already on the topics.
        if state.put:
            _tell(state, as_json=as_json)
        raise
    _tell(state, as_json=as_json)
    if state.refused:
        kept, why = state.refused[0]
        held = count_of(len(state.held_back), "dead letter was", "dead letters were")
        raise CommandFailed(
            f"Dead letter {kept.number} was not put on its topic: {why}."
            + (f"\n{_and_others(len(state.refused) - 1)}" if len(state.refused) > 1 else "")
            + (f"\n{held} held back, to keep the order of its organization's records." if state.held_back else "")
        )


def _insist_on_redrivable(settings: Settings, numbers: list[int]) -> None:
    """Raise CommandFailed if a given dead letter does not exist, or its record is not kept."""

    async def question(connection: AsyncConnection) -> dict[int, tuple[DeadLetterReason, bool]]:
        return await find_what_is_kept(connection, numbers)

    known = ask(settings, question) if numbers else {}
    for number in numbers:
        if number not in known:
            raise no_such_dead_letter(number)
        reason, is_kept = known[number]
        if is_kept:
            continue
        if reason is DeadLetterReason.CARD_NUMBER:
            raise CommandFailed(
                f"The record of dead letter {number} was not kept, because it holds a card number: there is nothing to "
                "redrive. Its sender has to send it again, with a token instead of the number."
            )
        raise CommandFailed(f"The record of dead letter {number} was erased: there is nothing to redrive.")


def where_to_go_on(state: Redriving, *, is_again: bool) -> str:
    """Return the message after a redrive was stopped."""
    stopped = f"Stopped after {state.done} of {len(state.chosen)}."
    if not state.to_do:
        return stopped
    if not is_again:
        return f"{stopped} The same command continues with dead letter {state.to_do[0]}."
    # The same command would start from the beginning.
    return f"{stopped} To continue: whopays dead-letters redrive --again {' '.join(_ranges(state.to_do))}"


def _ranges(numbers: list[int]) -> Iterator[str]:
    """Yield numbers as ranges in the syntax of the command: 7-9, 12."""
    rising = sorted(numbers)
    begin = 0
    for place, number in enumerate(rising):
        if place + 1 == len(rising) or rising[place + 1] != number + 1:
            yield str(number) if rising[begin] == number else f"{rising[begin]}-{number}"
            begin = place + 1


@contextmanager
def _shown(state: Redriving) -> Iterator[Any]:
    """Show the progress of a redrive on standard error, if that is a terminal."""
    screen = error_console()
    columns = (TextColumn("Redriving"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as shown:
        task = shown.add_task("", total=None)
        yield lambda: shown.update(task, completed=state.done, total=len(state.chosen))


def _tell(state: Redriving, *, as_json: bool) -> None:
    if as_json:
        print_json(document_of(state))
        return
    for line in lines_of(state):
        typer.echo(line)


def lines_of(state: Redriving) -> Iterator[str]:
    """Yield the outcome of a redrive as lines for people."""
    if state.put:
        records = count_of(len(state.put), "record was", "records were")
        yield f"{records} put on the topic again: whopays tail shows the results."
    if resumed := sum(put.is_resumed for put in state.put):
        yield (
            f"{count_of(resumed, 'record', 'records')} of these may be there twice, since an earlier redrive was "
            "interrupted: workers take each only once."
        )
    yield from _left(state.left)
    if not (state.put or state.left or state.refused):
        yield "There is nothing to redrive."


def _left(left: list[KeptDeadLetter]) -> Iterator[str]:
    for kept in left[:_NAMED_AT_MOST]:
        if not kept.is_kept:
            why = "holds a card number" if kept.reason is DeadLetterReason.CARD_NUMBER else "was erased"
            yield f"Dead letter {kept.number} {why}: there is nothing to redrive."
            continue
        is_redriven = kept.standing is Standing.REDRIVEN
        instant = kept.redriven_at if is_redriven else kept.discarded_at
        done = "redriven" if is_redriven else "discarded"
        when = f", at {format_instant(instant)}" if instant else ""
        yield f"Dead letter {kept.number} was {done} already{when}, and was left alone: --again redrives it once more."
    if len(left) > _NAMED_AT_MOST:
        yield _and_others(len(left) - _NAMED_AT_MOST)


def _and_others(count: int) -> str:
    return f"The same holds for {count_of(count, 'other dead letter', 'other dead letters')}."


def document_of(state: Redriving) -> dict[str, Any]:
    """Return the outcome of a redrive as a JSON-compatible dictionary."""
    return {
        "redriven": [{"number": put.number, "place": put.place, "resumed": put.is_resumed} for put in state.put],
        "left": [
            {
                "number": kept.number,
                "kept": kept.is_kept,
                "redriven": kept.redriven_at and format_instant(kept.redriven_at),
                "discarded": kept.discarded_at and format_instant(kept.discarded_at),
            }
            for kept in state.left
        ],
        "refused": [{"number": kept.number, "why": why} for kept, why in state.refused],
        "heldBack": [kept.number for kept in state.held_back],
    }
