"""How commands end: expected errors become a message and a status; a bug keeps its traceback."""

import io
import sys

import pytest
import typer
from rich.text import Text

from cli.terminal.ending import MISUSED, CommandFailed, Misused, told
from cli.terminal.screen import error_console, put, show


@pytest.mark.parametrize(("error", "status"), ((CommandFailed("no"), 3), (Misused("no"), MISUSED)))
def test_what_is_raised_on_purpose(error: CommandFailed, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, told(3):
        raise error
    assert ended.value.exit_code == status
    assert capsys.readouterr().err == "error: no\n"


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(KeyError, match="a bug"), told(1):
        raise KeyError("a bug")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("screen", (io.StringIO, _Terminal))
def test_colours_are_for_terminals_of_those_who_want_them(
    screen: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for colourless in (False, True):
        if colourless:
            monkeypatch.setenv("NO_COLOR", "1")
        shown = screen()
        monkeypatch.setattr(sys, "stderr", shown)
        with pytest.raises(typer.Exit), told(3):
            raise CommandFailed("no")
        is_coloured = screen is _Terminal and not colourless
        assert shown.getvalue() == ("\x1b[31m\x1b[1merror: \x1b[0mno\n" if is_coloured else "error: no\n")


def test_what_is_shown_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for screen in (io.StringIO, _Terminal):
        out, err = screen(), screen()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        show("7 of [bold] 'them'", Text("and so on   "))
        put(error_console(), "8 of [bold] 'them'")
        end = "   " if screen is _Terminal else ""  # which a terminal does not show
        assert (out.getvalue(), err.getvalue()) == (f"7 of [bold] 'them'\nand so on{end}\n", "8 of [bold] 'them'\n")
