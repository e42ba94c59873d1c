"""How a command ends: its exit status and error message. Imports nothing slow."""

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
"""Exit statuses of every command: it was refused or failed; its arguments alone are invalid."""

NOT_CHECKED = 2
"""Exit status of a checking command that could not check; FAILED then means that all is not well."""


class CommandFailed(Exception):
    """A command failed; the message says why, and what to do."""


class Misused(CommandFailed):
    """The arguments of a command are invalid, whatever the state of the installation."""


@contextmanager
def told(status: int) -> Iterator[None]:
    """Exit with a message and a status on expected errors; others show a traceback, which is a bug."""
    try:
        yield
    except (ClickException, typer.Exit, typer.Abort):
        raise
    except CommandFailed as error:
        _fail(str(error), MISUSED if isinstance(error, Misused) else status)
    except Exception as error:
        from cli.terminal.failures import in_words  # noqa: PLC0415 - imports all drivers, which not every command needs

        words = in_words(error)
        if words is None:
            raise
        _fail(words, status)


def insist_on_utf8(words: Sequence[str]) -> None:
    """Raise Misused for arguments that are not UTF-8, which could neither be sent nor printed."""
    for word in words:
        if not _is_text(word):
            shown = os.fsencode(word).decode(errors="backslashreplace")
            raise Misused(f"Not UTF-8: {shown}\nType it in a terminal that uses UTF-8, or convert it: iconv -t UTF-8")


def insist_on_one_value(command: Any, ctx: Any, words: Sequence[str]) -> None:
    """Raise BadParameter if a single-valued option is given several times; the last would win silently."""
    if ctx.resilient_parsing:  # shell completion
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
    """Let Ctrl-C end the process silently while a command's modules are imported, as before the command is called."""
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
