"""Log lines: for machines or for people, from a level on, and never with what a fault of another's code quotes."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from db.address import BadAddress
from tests.support.packages import PACKAGES
from workers.runtime.logs import OURS, described, set_up_logs
from workers.runtime.settings import Settings

_SECRET = "secret"
_BETWEEN = "\ncaused by:\n"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave the logs of the tests as they were."""
    root, faststream = logging.getLogger(), logging.getLogger("faststream")
    handlers, level, quiet = [*root.handlers], root.level, faststream.level
    root.handlers.clear()
    yield
    root.handlers[:], root.level, faststream.level = handlers, level, quiet
    structlog.reset_defaults()


def _parts(fault: BaseException) -> list[str]:
    """Return the last line of each fault of a description."""
    return [part.splitlines()[-1] for part in described(fault).split(_BETWEEN)]


def _raised(before: ValueError, fault: BadAddress, *, is_hidden: bool = False) -> BadAddress:
    """Return a fault that was raised while another was handled."""
    try:
        try:
            raise before
        except ValueError:
            if is_hidden:
                raise fault from None
            raise fault  # noqa: B904 - this is the case that is tried
    except BadAddress as raised:
        return raised


def test_only_faults_of_our_own_are_quoted() -> None:
    assert set(OURS) == PACKAGES
    assert _parts(BadAddress("secret")) == ["db.address.BadAddress: secret"]
    assert _parts(ValueError("secret")) == ["builtins.ValueError"]
    assert "raise before" in described(_raised(ValueError("secret"), BadAddress("b")))


def test_causes_are_told_unless_they_are_hidden() -> None:
    both = ["db.address.BadAddress: b", "builtins.ValueError"]
    assert _parts(_raised(ValueError("a"), BadAddress("b"))) == both
    assert _parts(_raised(ValueError("a"), BadAddress("b"), is_hidden=True)) == both[:1]
    caused = BadAddress("b")
    caused.__cause__ = ValueError("a")
    assert _parts(caused) == both


def test_at_most_ten_faults_are_told() -> None:
    fault: BaseException = ValueError("0")
    for _ in range(12):
        (after := KeyError("x")).__cause__ = fault
        fault = after
    assert len(_parts(fault)) == 10


def test_lines_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings(log_format="json", log_level="WARNING"))
    structlog.get_logger().info("unheard")
    try:
        raise ValueError(_SECRET)
    except ValueError:
        structlog.get_logger().exception("happened", number=1)
    out, err = capsys.readouterr()
    line = json.loads(err)
    assert out == ""
    assert (line["event"], line["level"], line["number"]) == ("happened", "error", 1)
    assert line["timestamp"].endswith("Z")
    assert line["exception"].splitlines()[-1] == "builtins.ValueError"
    assert _SECRET not in err


def test_only_a_line_that_is_about_a_fault_describes_it(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings())
    structlog.get_logger().warning("before", exc_info=True)
    try:
        raise ValueError(_SECRET)
    except ValueError:
        structlog.get_logger().warning("during")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], "exception" in line, "exc_info" in line) for line in lines] == [
        ("before", False, False), ("during", False, False),
    ]  # fmt: skip


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings(log_format="console", log_level="DEBUG"))
    structlog.get_logger().debug("happened", number=1)
    err = capsys.readouterr().err
    assert not err.startswith("{")
    assert "happened" in err
    assert "number=1" in err
    assert "\x1b" not in err


def test_what_libraries_log_quotes_nothing_either(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger().handlers.clear()  # pytest's own, of which a process has none
    set_up_logs(Settings())
    try:
        raise ValueError(_SECRET)
    except ValueError:
        logging.getLogger("a.library").exception("failed")
    logging.getLogger("a.library").error("told", exc_info=ValueError(_SECRET))
    logging.getLogger("a.library").info("unheard")
    logging.getLogger("faststream").warning("unheard")
    first, *_, raised, told, fault = capsys.readouterr().err.splitlines()
    assert (first, raised) == ("ERROR a.library: failed", "builtins.ValueError")
    assert (told, fault) == ("ERROR a.library: told", "builtins.ValueError"), "also of one that was never raised"
