"""`whopays send`: a command or fact from options or a file, and what came of it."""

import asyncio
import getpass
import os
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.sending.answers import show_answer
from cli.sending.composing import compose
from cli.terminal.ending import CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import AsJson, print_json
from cli.terminal.screen import console, error_console
from schemas.results import Outcome
from schemas.strict_json import NotStrictJson, read_object
from schemas.topics import Topic
from workers.exchange import Answer, Message, open_exchange
from workers.runtime.settings import Settings

REFUSED = 2
UNANSWERED = 3


def send(
    type_: Annotated[
        str | None, typer.Argument(metavar="TYPE", help="A command or fact, such as BindProject.", show_default=False)
    ] = None,
    members: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MEMBER=VALUE]...",
            help="The data: project=web, paymentTerms.netDays=30. A value is JSON where the member is not text.",
            show_default=False,
        ),
    ] = None,
    organization: Annotated[str | None, typer.Option(help="The organization whose account or project it is.")] = None,
    file: Annotated[
        str | None, typer.Option(help="JSON of the data, or of a whole structured CloudEvent; - for standard input.")
    ] = None,
    authid: Annotated[str | None, typer.Option(help="Who asks.", show_default="the login name")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="The message's id.", show_default="a new one")] = None,
    source: Annotated[str | None, typer.Option(help="The message's source.", show_default="/cli")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask what would happen, and change nothing.")] = False,
    timeout: Annotated[float, typer.Option(help="How long to wait for the answer, in seconds.")] = 10.0,
    wait_final: Annotated[
        bool,
        typer.Option("--wait-final", help="After Scheduled or Waiting wait on for the final result."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send a command or fact, wait for its answer, and show it.

    Exit status: 0 done, unchanged or accepted; 1 not sent; 2 rejected or dead-lettered; 3 no answer in time.
    """
    settings = load_settings()
    words = members or []
    name = type_
    if name is not None and "=" in name:
        # A whole CloudEvent in a file names its type itself.
        words, name = [name, *words], None
    if organization is not None:
        words = [f"organization={organization}", *words]
    content = _content(file)
    message = compose(name, content, words, _attributes(content, authid, id_, source))
    if dry_run:
        message = _rehearsed(message)
    if message.organization is None:
        raise CommandFailed("Say whose it is: --organization ORG.")
    with reaching(settings):
        answer = asyncio.run(_exchange(settings, message, timeout, is_patient=wait_final))
    is_answered = answer.result or answer.dead_letter or (answer.is_handled and not message.is_command)
    if as_json:
        print_json(_document(message, answer, is_answered=bool(is_answered)))
    elif is_answered:
        show_answer(console(), message, answer)
        if answer.is_interim:
            later = f"whopays result {message.organization} {message.event['id']}"
            error_console().print(f"The final result follows. Ask later: {later}", markup=False, soft_wrap=True)
    if not is_answered:
        error_console().print(_unanswered(message, answer, settings, timeout), markup=False, soft_wrap=True)
        raise typer.Exit(UNANSWERED)
    if answer.dead_letter or (answer.result and answer.result["data"]["outcome"] == Outcome.REJECTED):
        raise typer.Exit(REFUSED)


async def _exchange(settings: Settings, message: Message, timeout_seconds: float, *, is_patient: bool) -> Answer:
    async with open_exchange(settings) as exchange:
        answer = await exchange.send(message, timeout_seconds)
        if not (is_patient and answer.is_interim):
            return answer
        error_console().print("Accepted; waiting for the final result (Ctrl-C ends the waiting only) ...", style="dim")
        return await exchange.final(message, answer)


def _content(file: str | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return read_object(raw)
    except OSError as error:
        raise CommandFailed(f"--file {file}: cannot be read ({error.strerror}).") from None
    except NotStrictJson as error:
        raise CommandFailed(f"--file {file}: {error}.") from None


def _attributes(
    content: dict[str, Any], authid: str | None, id_: str | None, source: str | None
) -> dict[str, str | None]:
    """Return the attributes that were said, and those that a whole CloudEvent in a file would have had."""
    said = {"authid": authid, "id": id_, "source": source}
    defaults = {"authid": _login_name(), "id": str(uuid.uuid4()), "source": "/cli"}
    is_event = "specversion" in content
    return {
        name: value if value is not None or (is_event and name in content) else defaults[name]
        for name, value in said.items()
    }


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container the user often has a number only.
        return f"uid-{os.getuid()}"


def _rehearsed(message: Message) -> Message:
    if message.topic is not Topic.ADMIN_COMMANDS:
        raise CommandFailed(f"{message.name} is a fact: only a command can be rehearsed with --dry-run.")
    return Message(message.event | {"data": (message.event["data"] or {}) | {"dryRun": True}}, message.topic)


def _document(message: Message, answer: Answer, *, is_answered: bool) -> dict[str, Any]:
    return {
        "id": message.event["id"],
        "source": message.event["source"],
        "place": answer.place,
        "answered": is_answered,
        "answeredBefore": answer.is_repeat,
        "result": answer.result,
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
        f"No answer within {timeout_seconds:g} s. The message stands at {answer.place} and will be handled.\n"
        f"Is the service running (whopays run, or whopays dev), with WHOPAYS_TOPIC_PREFIX={settings.topic_prefix} and "
        f"WHOPAYS_INSTALLATION={settings.installation}?"
    )
    return f"{advice}\nAsk later: {later}" if message.is_command else advice
