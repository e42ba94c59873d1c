"""`whopays dead-letters list` and `show`: records that could not be answered, and the actions on them."""

from collections.abc import Sequence
from typing import Any

import typer
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.operating.choosing import choice_of
from cli.terminal.asking import ask
from cli.terminal.ending import CommandFailed
from cli.terminal.installation import load_settings
from cli.terminal.layout import Card, Column, Listing, details, visible
from cli.terminal.output import print_json
from cli.terminal.screen import show as show_parts
from db.dead_letter_actions import DISCARDED, REDRIVEN, Action, actions_on
from db.dead_letters import (
    LARGEST_NUMBER,
    KeptDeadLetter,
    Standing,
    find_dead_letters,
    list_dead_letters,
    value_of,
)
from schemas.instants import format_instant
from schemas.records import DeadLetterReason

_SHOWN_BYTES = 64 * 1024
"""How much of a value or a header is shown to people; --json prints all of it."""


def list_(
    *,
    topic: str | None,
    organization: str | None,
    reason: DeadLetterReason | None,
    since: str | None,
    records: list[str] | None,
    numbers: list[str] | None,
    standing: str | None,
    only_waiting: bool,
    before: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the dead letters, newest first."""
    settings = load_settings()
    named = None if standing is None else Standing(standing)
    wanted = Standing.WAITING if only_waiting else named
    choice = choice_of(settings, numbers, topic, organization, reason, since, records, wanted)
    end = LARGEST_NUMBER if before is None else max(0, min(before, LARGEST_NUMBER))

    async def question(connection: AsyncConnection) -> list[KeptDeadLetter]:
        # One more than is shown, so that a next page is announced only if it is not empty.
        return await list_dead_letters(connection, choice, before=end, limit=limit + 1)

    more = ask(settings, question)
    found = more[:limit]
    if as_json:
        print_json([document_of(kept) for kept in found])
    elif found:
        show_parts(listing_of(found))
    else:
        typer.echo("There are no such dead letters.")
    if len(more) > limit:
        typer.secho(f"The next page: --before {found[-1].number}", dim=True, err=as_json)


def show(*, number: int, is_opened: bool, as_json: bool) -> None:
    """Show a dead letter, and what was done about it."""
    settings = load_settings()

    async def question(connection: AsyncConnection) -> tuple[list[KeptDeadLetter], list[Action]]:
        found = await find_dead_letters(connection, [number])
        return found, await actions_on(connection, number) if found else []

    found, actions = ask(settings, question)
    if not found:
        raise no_such_dead_letter(number)
    kept = found[0]
    is_hidden = kept.is_sealed and not is_opened
    value = None if is_hidden else value_of(kept, settings.keys() if kept.is_sealed else None)
    if as_json:
        print_json(document_of(kept) | _content(kept, value) | {"actions": [_action_document(one) for one in actions]})
    else:
        show_parts(card_of(kept, actions, value, is_hidden=is_hidden))


def no_such_dead_letter(number: int) -> CommandFailed:
    """Return the error for the number of a nonexistent dead letter."""
    return CommandFailed(f"There is no dead letter {number}.\nList them: whopays dead-letters list")


def listing_of(found: Sequence[KeptDeadLetter]) -> Listing:
    """Render a list of dead letters."""
    columns = (
        *(Column(name) for name in ("number", "read at", "reason")),
        *(Column(name, may_move=True) for name in ("organization", "state", "record", "detail")),
    )
    rows = [
        (
            Text(str(kept.number)),
            Text(f"{kept.recorded_at:%Y-%m-%d %H:%M:%S}"),
            Text(kept.reason, style="red"),
            Text(kept.organization or ""),
            Text(_state(kept)),
            Text(visible(kept.record.place)),
            Text(visible(kept.detail)),
        )
        for kept in found
    ]
    return Listing(columns, rows)


def card_of(kept: KeptDeadLetter, actions: Sequence[Action], value: bytes | None, *, is_hidden: bool) -> Card:
    """Render a dead letter with what is kept of its record, and the actions on it."""
    content = _content(kept, None if value is None else value[:_SHOWN_BYTES])
    said = {
        "state": _state(kept),
        "organization": kept.organization,
        "record": kept.record.place,
        "written at": format_instant(kept.record.timestamp),
        "read at": format_instant(kept.recorded_at),
        "event": kept.event_id,
        "detail": kept.detail,
        "redriven from": f"dead letter {kept.origin}" if kept.origin else None,
    }
    lines: list[tuple[str, str | None]] = [(name, text) for name, text in said.items() if text is not None]
    lines += [(_DONE.get(action.action, action.action), _in_words(action)) for action in actions]
    if kept.is_kept:
        lines += [
            ("key", content["key"]),
            *(
                ("header", f"{header['name']}: {'' if header['value'] is None else header['value']}")
                for header in content["headers"]
            ),
            ("size", f"{kept.size} bytes"),
            ("value", "encrypted: --open decrypts it" if is_hidden else content["value"]),
        ]
        if value is not None and len(value) > _SHOWN_BYTES:
            lines.append(("", f"These are the first {_SHOWN_BYTES} bytes: --json has all."))
    else:
        lines.append(("content", "not kept, since it holds a card number" if _is_card(kept) else "erased"))
    body = details(
        (visible(name), Text("none", style="dim") if text is None else Text(visible(text))) for name, text in lines
    )
    return Card(Text.assemble(f"{kept.number}  ", (kept.reason, "bold red")), [body], "red")


def document_of(kept: KeptDeadLetter) -> dict[str, Any]:
    """Return a dead letter as a JSON-compatible dictionary, without its content."""
    return {
        "number": kept.number,
        "id": kept.event_id,
        "time": format_instant(kept.recorded_at),
        "organization": kept.organization,
        "topic": kept.record.topic,
        "partition": kept.record.partition,
        "offset": kept.record.offset,
        "timestamp": format_instant(kept.record.timestamp),
        "reason": str(kept.reason),
        "detail": kept.detail,
        "size": kept.size,
        "sha256": kept.sha256 and kept.sha256.hex(),
        "encrypted": kept.is_sealed,
        "kept": kept.is_kept,
        "state": str(kept.standing),
        "redriven": kept.redriven_at and format_instant(kept.redriven_at),
        "discarded": kept.discarded_at and format_instant(kept.discarded_at),
        "redrivenFrom": kept.origin,
    }


def _content(kept: KeptDeadLetter, value: bytes | None) -> dict[str, Any]:
    headers = [{"name": name, "value": _text(content)} for name, content in kept.record.headers]
    return {"key": _text(kept.record.key), "headers": headers, "value": _text(value)}


def _action_document(action: Action) -> dict[str, Any]:
    return {
        "action": action.action,
        "by": action.by,
        "at": format_instant(action.at),
        "reason": action.reason,
        "confirmed": action.sent_at and format_instant(action.sent_at),
        "place": action.place,
        "read": action.is_read,
        "deadLetter": action.dead_letter,
    }


def _state(kept: KeptDeadLetter) -> str:
    match kept.standing:
        case Standing.WAITING if kept.unconfirmed_id is not None:
            return "redriven, unconfirmed"
        case Standing.WAITING:
            return "waiting"
        case Standing.REDRIVEN:
            return f"redriven {kept.redriven_at:%Y-%m-%d %H:%M:%S}"
        case Standing.DISCARDED:
            return f"discarded {kept.discarded_at:%Y-%m-%d %H:%M:%S}"


def _in_words(action: Action) -> str:
    words = f"{format_instant(action.at)} by {action.by}"
    if action.reason is not None:
        return f"{words}: {action.reason}"
    if action.sent_at is None:
        return f"{words}; it was interrupted, and nobody knows whether the record is on its topic"
    words += f" as {action.place}" if action.place else ""
    if action.dead_letter is not None:
        return f"{words}, which became dead letter {action.dead_letter}"
    return f"{words}, which was read" if action.is_read else words


def _is_card(kept: KeptDeadLetter) -> bool:
    return kept.reason is DeadLetterReason.CARD_NUMBER


def _text(raw: bytes | None) -> str | None:
    """Return bytes as text, with escapes such as `\\xff` for bytes that are not UTF-8."""
    return None if raw is None else raw.decode(errors="backslashreplace")


_DONE = {REDRIVEN: "redriven at", DISCARDED: "discarded at"}
