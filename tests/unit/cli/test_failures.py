"""What commands say of errors: those that are named by their names exist, and none is forgotten."""

from importlib import import_module

import pytest
from asyncpg import ProtocolViolationError

from cli.terminal import failures
from cli.terminal.ending import CommandFailed
from cli.terminal.failures import ON_PURPOSE, in_words, reaching
from workers.runtime.settings import Settings


@pytest.mark.parametrize("name", sorted({*ON_PURPOSE, failures._KAFKA, failures._NO_BROKER, failures._POSITIONS}))
def test_each_name_is_an_errors(name: str) -> None:
    module, _, kind = name.rpartition(".")
    found = getattr(import_module(module), kind)
    assert issubclass(found, Exception)
    assert (found.__module__, found.__name__) == (module, kind)
    error = found.__new__(found)
    Exception.__init__(error, "in words")
    if name in ON_PURPOSE:
        assert in_words(error) == "in words"
    else:
        with pytest.raises(CommandFailed), reaching(Settings()):
            raise error


def test_a_pgbouncer_that_refuses_a_session_is_told_in_words() -> None:
    for setting in ("statement_timeout", "enable_hashjoin"):
        refusal = ProtocolViolationError(f"unsupported startup parameter: {setting}")
        with pytest.raises(CommandFailed, match="behind a PgBouncer") as failed, reaching(Settings()):
            raise refusal
        assert f"unsupported startup parameter: {setting}" in str(failed.value)
        assert "server runs" not in str(failed.value)


def test_what_is_derived_is_told_as_well() -> None:
    admission = import_module("workers.topics.admission")
    assert in_words(admission.OtherPrefix("in words")) == "in words"


def test_a_fault_of_the_program_is_not_told() -> None:
    assert in_words(ZeroDivisionError("x")) is None
    with pytest.raises(ZeroDivisionError), reaching(Settings()):
        raise ZeroDivisionError


def test_an_error_of_a_file_is_the_files() -> None:
    assert in_words(FileNotFoundError(2, "No such file or directory", "/x/y")) == "/x/y: No such file or directory"
    assert in_words(OSError(28, "No space left on device")) == "No space left on device"
    assert in_words(BrokenPipeError(32, "Broken pipe")) is None
    with pytest.raises(FileNotFoundError), reaching(Settings()):
        raise FileNotFoundError(2, "No such file or directory", "/x/y")
