"""`whopays dead-letters list` and `show`: records that could not be answered."""

from typing import Annotated, Any

import typer
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.terminal.asking import ask
from cli.terminal.ending import CommandFailed
from cli.terminal.installation import load_settings
from cli.terminal.layout import Card, Column, Listing, details, visible
from cli.terminal.output import AsJson, print_json
from cli.terminal.screen import show as show_parts
from db.dead_letters import (
    KeptDeadLetter,
    find_dead_letters,
    list_dead_letters,
    value_of,
)
from schemas.instants import format_instant
from schemas.records import DeadLetterReason

_AT_ONCE = 100
_LARGEST_REQUEST_BYTES = 16 * 1024 * 1024


def list_(
    reason: Annotated[DeadLetterReason | None, typer.Option(help="Only those of this reason.")] = None,
    only_waiting: Annotated[bool, typer.Option("--waiting", help="Only those that were not redriven yet.")] = False,
    before: Annotated[int | None, typer.Option(help="Only those with a smaller number: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the dead letters, newest first."""

    async def question(connection: AsyncConnection) -> list[KeptDeadLetter]:
        return await list_dead_letters(connection, reason, only_waiting=only_waiting, before=before, limit=limit)

    found = ask(load_settings(), question)
    if as_json:
        print_json([_document(kept) for kept in found])
    elif found:
        show_parts(listing_of(found))
        if len(found) == limit:
            typer.secho(f"The next page: --before {found[-1].number}", dim=True)
    else:
        typer.echo("There are no such dead letters.")


def show(
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", help="Its number, as the list has it.", show_default=False)
    ],
    is_opened: Annotated[
        bool, typer.Option("--open", help="Decrypt a value that is kept encrypted, since it may be personal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a dead letter: where it was, why it failed, what is kept."""
    settings = load_settings()
    (kept,) = ask(settings, lambda connection: found_dead_letters(connection, [number]))
    is_hidden = kept.sealed is not None and not is_opened
    value = None if is_hidden else value_of(kept, settings.keys() if kept.sealed else None)
    if as_json:
        print_json(_document(kept) | _content(kept, value))
    else:
        show_parts(card_of(kept, value, is_hidden=is_hidden))


async def found_dead_letters(connection: AsyncConnection, numbers: list[int]) -> list[KeptDeadLetter]:
    """Return dead letters by their numbers. Raises CommandFailed for one that does not exist."""
    found = await find_dead_letters(connection, numbers)
    missing = sorted(set(numbers) - {kept.number for kept in found})
    if missing:
        raise CommandFailed(f"There is no dead letter {missing[0]}.\nList them: whopays dead-letters list")
    return found


def _document(kept: KeptDeadLetter) -> dict[str, Any]:
    return {
        "number": kept.number,
        "topic": kept.record.topic,
        "partition": kept.record.partition,
        "offset": kept.record.offset,
        "timestamp": format_instant(kept.record.timestamp),
        "reason": str(kept.reason),
        "detail": kept.detail,
        "recordedAt": format_instant(kept.recorded_at),
        "redrivenAt": kept.redriven_at and format_instant(kept.redriven_at),
        "encrypted": kept.sealed is not None,
    }


def _content(kept: KeptDeadLetter, value: bytes | None) -> dict[str, Any]:
    headers = [{"name": name, "value": _text(content)} for name, content in kept.record.headers]
    return {"key": _text(kept.record.key), "headers": headers, "value": _text(value)}


def _text(raw: bytes | None) -> str | None:
    """Return bytes as text; what is not UTF-8 is shown as escapes such as `\\xff`."""
    return None if raw is None else raw.decode(errors="backslashreplace")


def listing_of(found: list[KeptDeadLetter]) -> Listing:
    """Return dead letters as a list."""
    columns = (
        *(Column(name) for name in ("number", "read at", "reason")),
        *(Column(name, may_move=True) for name in ("record", "redriven at", "detail")),
    )
    rows = [
        (
            Text(str(kept.number)),
            Text(f"{kept.recorded_at:%Y-%m-%d %H:%M:%S}"),
            Text(kept.reason, style="red"),
            Text(kept.record.place),
            Text(f"{kept.redriven_at:%Y-%m-%d %H:%M:%S}" if kept.redriven_at else ""),
            Text(visible(kept.detail)),
        )
        for kept in found
    ]
    return Listing(columns, rows)


def card_of(kept: KeptDeadLetter, value: bytes | None, *, is_hidden: bool) -> Card:
    """Return a dead letter with what is kept of its record."""
    content = _content(kept, value)
    said = {
        "record": kept.record.place,
        "written at": format_instant(kept.record.timestamp),
        "read at": format_instant(kept.recorded_at),
        "redriven at": kept.redriven_at and format_instant(kept.redriven_at),
        "detail": kept.detail,
        "key": content["key"],
    }
    lines = [
        *said.items(),
        *((f"header {header['name']}", header["value"]) for header in content["headers"]),
        ("value", "encrypted: --open decrypts it" if is_hidden else content["value"]),
    ]
    body = details(
        (visible(name), Text("none", style="dim") if said is None else Text(visible(said))) for name, said in lines
    )
    return Card(Text.assemble(f"{kept.number}  ", (kept.reason, "bold red")), [body], "red")
