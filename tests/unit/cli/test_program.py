"""The table of commands: complete, true, and light, since a command's module is only imported when it is asked for."""

import inspect
import re
from importlib import import_module
from typing import Any, get_args

import pytest
import typer
from typer.core import TyperOption
from typer.main import get_command
from typer.testing import CliRunner, Result

from cli.operating import letters
from cli.program import COMMANDS, Command, Group, _Check, app
from cli.terminal.ending import insist_on_one_value
from db.dead_letters import Standing
from tests.support.imports import HEAVY, completed, imported

LISTED: dict[str, Command] = {
    f"{one.name} {command.name}" if isinstance(one, Group) else one.name: command
    for listed in COMMANDS.values()
    for one in listed
    for command in (one.commands if isinstance(one, Group) else (one,))
}
"""Every command by the words that call it."""

of_each_command = pytest.mark.parametrize("words", LISTED)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def command_of(words: str) -> Any:
    """Return a command as it is parsed."""
    command: Any = get_command(app)
    for word in words.split():
        _, command, _ = command.resolve_command(typer.Context(command), [word])
    return command


def options_of(words: str) -> list[TyperOption]:
    """Return the options of a command."""
    return [one for one in command_of(words).params if isinstance(one, TyperOption)]


@of_each_command
def test_the_list_says_what_a_command_says_of_itself(words: str) -> None:
    command = LISTED[words]
    module, name = command.function.split(":")
    said = inspect.getdoc(getattr(import_module(f"cli.{module}"), name))
    assert said is not None
    assert said.splitlines()[0] == command.summary
    helped = run(*words.split(), "-h")
    assert helped.exit_code == 0
    assert "Usage: " in helped.stdout
    assert command.summary.split()[0] in helped.stdout


@of_each_command
def test_words_that_are_not_utf8_are_refused_by_every_command(words: str) -> None:
    for bad in ("M\udcfcller", "displayName=M\udcfcller", "--file=\udcff", "\udce4"):
        ended = run(*words.split(), "acme", bad)
        assert ended.exit_code == 2
        assert "Not UTF-8: " in ended.stderr
        assert "\\x" in ended.stderr


@of_each_command
def test_words_that_cannot_be_right_end_with_2(words: str) -> None:
    assert run(*words.split(), "--no-such-option").exit_code == 2


@of_each_command
def test_an_option_that_takes_one_value_is_given_once(words: str) -> None:
    for option in options_of(words):
        first, last = option.opts[0], option.opts[-1]
        if not option.is_flag and not option.multiple:
            for given in ((first, "1", last, "2"), (f"{first}=1", "word", f"{last}=1")):
                ended = run(*words.split(), *given)
                assert ended.exit_code == 2
                assert first in ended.stderr
                assert "It takes one value, but 2 were given." in " ".join(re.findall(r"[^\s│]+", ended.stderr))


def test_the_word_of_a_group_takes_each_of_its_own_options_once() -> None:
    ended = run("dev", "--data-dir", "here", "--data-dir=there")
    assert ended.exit_code == 2
    assert "--data-dir" in ended.stderr


def test_options_that_say_so_may_be_repeated() -> None:
    context = typer.Context(get_command(app))
    repeated = {(words, option.opts[0]) for words in LISTED for option in options_of(words) if option.multiple}
    for words, option in repeated:
        insist_on_one_value(command_of(words), context, [option, "1", option, "2"])
    assert {("replay start", "--after"), ("dev token", "--role"), ("tail", "--topic")} <= repeated


@of_each_command
def test_every_switch_is_off_unless_it_is_given(words: str) -> None:
    module, name = LISTED[words].function.split(":")
    parameters = inspect.signature(getattr(import_module(f"cli.{module}"), name)).parameters.values()
    assert [one.name for one in parameters if one.default is True] == []


def test_a_word_that_is_no_command_is_explained() -> None:
    ended = run("timelime", "acme", "web")
    assert ended.exit_code == 2
    assert "timeline" in ended.stderr


def test_the_version_is_said() -> None:
    ended = run("--version")
    assert (ended.exit_code, ended.stdout) == (0, "whopays 0.1.0\n")


@pytest.mark.parametrize("words", (("--help",), ("topics", "--help"), ("dead-letters", "-h"), ()))
def test_the_lists_show_every_command(words: tuple[str, ...]) -> None:
    shown = run(*words).output
    for called in LISTED:
        *group, name = called.split()
        if group == list(words[:-1]):
            assert re.search(rf"^\W*{name}\W", shown, re.MULTILINE), called


@pytest.mark.parametrize(
    ("typed", "offered"),
    (("whopays dead-l", "dead-letters"), ("whopays topics re", "reread"), ("whopays send --dry", "--dry-run")),
)
def test_shells_complete_commands_and_options(typed: str, offered: str) -> None:
    asked = {"_WHOPAYS_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    ended = CliRunner().invoke(app, [], env=asked, prog_name="whopays")
    assert offered in ended.stdout.split()


@pytest.mark.parametrize("words", (("health",), ("--version",)), ids=" ".join)
def test_what_is_asked_often_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    assert imported(*words) & HEAVY == set()


def test_who_pays_is_asked_of_the_driver_alone() -> None:
    """It ends at a word that is no instant; `tests/services/cli/test_asking.py` has one that is answered."""
    assert imported("who", "acme", "web", "--at", "never") & HEAVY == {"asyncpg"}


def test_completing_the_options_of_any_command_imports_nothing_heavy() -> None:
    offered, packages = completed("whopays ", *(f"whopays {words} --" for words in LISTED))
    assert packages & HEAVY <= {"asyncpg"}
    assert {"who", "--at", "--all", "--format", "--watch", "--dry-run", "--record", "--only", "--yes"} <= set(offered)


def test_what_a_dead_letter_can_be_is_offered() -> None:
    assert get_args(letters.Standing) == tuple(Standing)


@pytest.mark.parametrize("words", (("accounts", "acme"), ("changes", "acme", "--watch")), ids=" ".join)
def test_what_asks_the_database_imports_no_broker(words: tuple[str, ...]) -> None:
    """It ends where the database does not answer."""
    packages = imported(*words, environment={"WHOPAYS_DATABASE_URL": "postgresql://127.0.0.1:1/nowhere"})
    assert "sqlalchemy" in packages
    assert packages & {"aiokafka", "alembic", "faststream", "phonenumbers", "pyarrow", "stdnum"} == set()


def test_workers_start_without_what_migrates() -> None:
    """It is imported as a whole, and ends at settings that cannot be."""
    packages = imported("run", environment={"WHOPAYS_SHARDS": "0"})
    assert "sqlalchemy" in packages
    assert "alembic" not in packages


def test_commands_that_check_say_so_in_their_exit_status() -> None:
    assert {words for words, command in LISTED.items() if command.checks} == {
        "reconcile",
        "status",
        "token check",
        "topics check",
        "verify",
    }
    assert {words for words in LISTED if isinstance(command_of(words), _Check)} == {
        words for words, command in LISTED.items() if command.checks
    }
