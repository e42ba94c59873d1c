"""`whopays send`: sends a command or fact from options or a file, and shows its answer."""

import asyncio
import getpass
import os
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from cli.sending.answers import answer_card, standing_of
from cli.sending.composing import compose
from cli.sending.rights import advice_on_rights
from cli.sending.tokens import token_of
from cli.terminal.asking import ask
from cli.terminal.ending import FAILED, CommandFailed, Misused
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import print_json
from cli.terminal.screen import show
from db.questions.accounts import account
from schemas.results import Outcome
from schemas.strict_json import NotStrictJson, read_object
from workers.exchange import Answer, Message, open_exchange
from workers.runtime.settings import Settings

UNANSWERED = 3
"""Additional exit status: the message was sent, but no answer came in time."""


def send(
    *,
    type_: str | None,
    members: list[str] | None,
    organization: str | None,
    file: str | None,
    authid: str | None,
    id_: str | None,
    source: str | None,
    token_file: str | None,
    token_command: str | None,
    dry_run: bool,
    again: bool,
    timeout: float,
    wait_final: bool,
    as_json: bool,
) -> None:
    """Send a command or fact, wait for its answer, and show it."""
    settings = load_settings()
    words = members or []
    name = type_
    if name is not None and "=" in name:
        # A whole CloudEvent in a file contains its type.
        words, name = [name, *words], None
    if organization is not None:
        words = [f"organization={organization}", *words]
    content = _content(file)
    token = token_of(token_file, token_command)
    attributes = _attributes(content, authid, id_, source, again=again, is_known=token is not None)
    message = replace(compose(name, content, words, attributes), token=token)
    if not message.is_command and (dry_run or again):
        option = "--dry-run" if dry_run else "--again"
        raise Misused(f"{message.name} is a fact: {option} is for commands only.")
    if dry_run:
        message = replace(message, event=message.event | {"data": (message.event["data"] or {}) | {"dryRun": True}})
    if message.organization is None:
        raise Misused("Say whose it is: --organization ORG.")
    with reaching(settings):
        answer = asyncio.run(_exchange(settings, message, timeout, is_patient=wait_final))
    is_answered = answer.result or answer.dead_letter or (answer.is_handled and not message.is_command)
    standing = _standing(settings, answer.result)
    if as_json:
        print_json(_document(message, answer, standing, is_answered=bool(is_answered)))
    elif is_answered:
        show(answer_card(message, answer, standing))
        if answer.is_interim:
            later = f"whopays result {message.organization} {message.event['id']}"
            typer.echo(f"The final result follows. Ask later: {later}", err=True)
        if advice := advice_on_rights(message, answer.result):
            typer.echo(advice, err=True)
    if not is_answered:
        typer.echo(_unanswered(message, answer, settings, timeout), err=True)
        raise typer.Exit(UNANSWERED)
    if answer.dead_letter or (answer.result and answer.result["data"]["outcome"] == Outcome.REJECTED):
        raise typer.Exit(FAILED)


async def _exchange(settings: Settings, message: Message, timeout_seconds: float, *, is_patient: bool) -> Answer:
    async with open_exchange(settings) as exchange:
        answer = await exchange.send(message, timeout_seconds)
        if not (is_patient and answer.is_interim):
            return answer
        typer.echo("Accepted; waiting for the final result (Ctrl-C ends only the waiting) ...", err=True)
        return await exchange.final(message, answer)


def _standing(settings: Settings, result: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the present state of the account that a command named; None if it named none, and for a dry run."""
    if result is None or result["data"]["dryRun"] or "account" not in result["data"]:
        return None
    names = result["data"]["organization"], result["data"]["account"]
    found = ask(settings, lambda connection: account(connection, *names))
    return found and standing_of(found)


def _content(file: str | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        if not raw.strip():
            raise CommandFailed(f"--file {file}: is empty.")
        return read_object(raw)
    except OSError as error:
        raise CommandFailed(f"--file {file}: cannot be read ({error.strerror}).") from None
    except NotStrictJson as error:
        raise CommandFailed(f"--file {file}: {error}.") from None


def _attributes(
    content: dict[str, Any],
    authid: str | None,
    id_: str | None,
    source: str | None,
    *,
    again: bool,
    is_known: bool,
) -> dict[str, str | None]:
    """Return the given attributes, and defaults for those that neither the options nor the file set.

    With a token, the sender is known, so the login name is not used.
    """
    said = {"authid": authid, "id": id_, "source": source}
    defaults = {"authid": None if is_known else _login_name(), "id": str(uuid.uuid4()), "source": "/cli"}
    is_event = "specversion" in content
    return {"answer": "again" if again else None} | {
        name: value if value is not None or (is_event and name in content) else defaults[name]
        for name, value in said.items()
    }


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container, the user often has no name.
        return f"uid-{os.getuid()}"


def _document(
    message: Message, answer: Answer, standing: dict[str, Any] | None, *, is_answered: bool
) -> dict[str, Any]:
    return {
        "id": message.event["id"],
        "source": message.event["source"],
        "place": answer.place,
        "answered": is_answered,
        "answeredBefore": answer.is_repeat,
        "result": answer.result,
        "account": standing,
        "deadLetter": answer.dead_letter,
        "events": answer.events,
    }


def _unanswered(message: Message, answer: Answer, settings: Settings, timeout_seconds: float) -> str:
    later = f"whopays result {message.organization} {message.event['id']}"
    if answer.is_handled:
        return (
            f"The service has decided, but has not published its answer within {timeout_seconds:g} s.\n"
            f"Is the relay running (whopays run --only relay)? The answer is kept: {later}"
        )
    advice = (
        f"No answer within {timeout_seconds:g} s. The message is at {answer.place} and will be handled.\n"
        f"Is the service running (whopays run, or whopays dev), with WHOPAYS_TOPIC_PREFIX={settings.topic_prefix} and "
        f"WHOPAYS_INSTALLATION={settings.installation}?"
    )
    return f"{advice}\nAsk later: {later}" if message.is_command else advice
