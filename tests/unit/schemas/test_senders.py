"""Who asks or reports, and whether a result is asked for again (docs/contract.md section 2)."""

from typing import Any

import pytest

from schemas.facts import ProjectChanged
from tests.unit.schemas.building import (
    BIND,
    PROJECT,
    binary,
    command,
    fact,
    faults,
    structured,
)

MODES = pytest.mark.parametrize("mode", (structured, binary))
TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmVk"
NOBODY = ("", TOKEN, " ", "ann ", "\u3000ann", "an\u200bn", "ann\u3164", "al\x01ice", "a" * 257)


@MODES
@pytest.mark.parametrize("authid", (None, *NOBODY))
def test_nobody_asks_under_a_name_that_is_none(mode: Any, authid: str | None) -> None:
    message = command(mode("BindProject", BIND, authid=authid))
    assert (message.event.sender, message.violations) == (None, ())


@MODES
@pytest.mark.parametrize("authid", ("Ann Lee", "auth0|5f7c", "李"))
def test_who_asks_is_kept_as_it_was_written(mode: Any, authid: str) -> None:
    assert command(mode("BindProject", BIND, authid=authid)).event.sender == authid


@MODES
@pytest.mark.parametrize(("answer", "asks"), ((None, False), ("again", True)))
def test_whether_the_result_is_asked_for_again(mode: Any, answer: str | None, asks: bool) -> None:
    message = command(mode("BindProject", BIND, answer=answer))
    assert (message.asks_again, message.violations) == (asks, ())


@MODES
@pytest.mark.parametrize("answer", ("", "Again", "again ", "once more", "true"))
def test_answer_takes_nothing_but_again(mode: Any, answer: str) -> None:
    message = command(mode("BindProject", BIND, answer=answer))
    assert (message.asks_again, faults(message), message.command) == (False, ["answer"], None)


@MODES
def test_a_fact_answers_nobody(mode: Any) -> None:
    assert fact(mode("ProjectChanged", PROJECT, answer="never"), ProjectChanged).fact.version == 1


@MODES
@pytest.mark.parametrize("authid", (None, *NOBODY))
def test_who_reports_a_fact(mode: Any, authid: str | None) -> None:
    assert fact(mode("ProjectChanged", PROJECT, authid=authid), ProjectChanged).sender == "/tests"
    assert fact(mode("ProjectChanged", PROJECT, authid="system:sync"), ProjectChanged).sender == "system:sync"
