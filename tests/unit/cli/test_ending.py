"""How commands end: expected errors become a message and a status; a bug keeps its traceback."""

import pytest
import typer

from cli.terminal.ending import MISUSED, CommandFailed, Misused, told


@pytest.mark.parametrize(("error", "status"), ((CommandFailed("no"), 3), (Misused("no"), MISUSED)))
def test_what_is_raised_on_purpose(error: CommandFailed, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, told(3):
        raise error
    assert ended.value.exit_code == status
    assert capsys.readouterr().err == "error: no\n"


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(KeyError, match="a bug"), told(1):
        raise KeyError("a bug")
