"""How a command ends: its exit status, and what went wrong in words. Imports nothing that takes long."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer._click.exceptions import ClickException
from typer.core import TyperOption

FAILED, MISUSED = 1, 2
"""Exit statuses of every command: it was refused or failed; its words alone show that it cannot be right."""

NOT_CHECKED = 2
"""Exit status of a command that checks, when it cannot find out; FAILED then says that not all is well."""


class CommandFailed(Exception):
    """A command cannot do what it was asked; the message says why, and what to do."""


class Misused(CommandFailed):
    """The words of a command are wrong, whatever they are about."""


@contextmanager
def told(status: int) -> Iterator[None]:
    """End with a message and an exit status on whatever is raised on purpose; a traceback is a fault of the program."""
    try:
        yield
    except (ClickException, typer.Exit, typer.Abort):
        raise
    except CommandFailed as error:
        _fail(str(error), MISUSED if isinstance(error, Misused) else status)
    except Exception as error:
        from cli.terminal.failures import in_words  # noqa: PLC0415 - knows all drivers, which not every command needs

        words = in_words(error)
        if words is None:
            raise
        _fail(words, status)


def insist_on_utf8(words: Sequence[str]) -> None:
    """Raise Misused for words that are not UTF-8: they could neither be sent nor printed."""
    for word in words:
        if not _is_text(word):
            shown = os.fsencode(word).decode(errors="backslashreplace")
            raise Misused(f"Not UTF-8: {shown}\nType it in a terminal that uses UTF-8, or convert it: iconv -t UTF-8")


def insist_on_one_value(command: Any, ctx: Any, words: Sequence[str]) -> None:
    """Raise BadParameter where an option that takes one value is given several times: the last would win silently."""
    if ctx.resilient_parsing:  # a shell asks what may follow
        return
    *_, given = command.make_parser(ctx).parse_args(list(words))
    for option, times in Counter(one for one in given if isinstance(one, TyperOption)).items():
        if times > 1 and not option.multiple and not option.is_flag:
            raise typer.BadParameter(f"It takes one value, but {times} were given.", ctx, option)


def let_ctrl_c_raise() -> None:
    """Let Ctrl-C raise KeyboardInterrupt from now on, so that a command can clean up; see `cli.main`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def importing() -> Iterator[None]:
    """Let Ctrl-C end the process silently while what a command needs is imported, as it does before one is called."""
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not raises or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fail(message: str, status: int) -> None:
    colour = None if "NO_COLOR" not in os.environ else False
    typer.secho("error: ", fg=typer.colors.RED, bold=True, err=True, nl=False, color=colour)
    typer.echo(message, err=True)
    raise typer.Exit(status)
