"""Which dead letters the words of a command mean, who acts on them, and words that can mean none."""

import socket

import pytest
from typer.testing import CliRunner

from cli.operating.choosing import person, ranges_of, single_numbers
from cli.program import app
from db.dead_letters import LARGEST_NUMBER


@pytest.mark.parametrize(
    ("words", "ranges"),
    (
        (None, ()),
        ([], ()),
        (["7"], ((7, 7),)),
        (["007"], ((7, 7),)),
        (["7-12", "3"], ((7, 12), (3, 3))),
        (["7-7"], ((7, 7),)),
        (["7-"], ((7, LARGEST_NUMBER),)),
        (["-12"], ((1, 12),)),
        (["9" * 40], ((int("9" * 40), int("9" * 40)),)),
    ),
)
def test_numbers_and_ranges(words: list[str] | None, ranges: tuple[tuple[int, int], ...]) -> None:
    assert ranges_of(words) == ranges
    assert single_numbers(words) == [first for first, last in ranges if first == last]


def test_whoever_acts_is_the_user_of_this_host_unless_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    assert person(None) == f"ada@{socket.gethostname()}"
    assert person("bob") == "bob"


@pytest.mark.parametrize(
    ("words", "said"),
    (
        (("redrive",), "Say which ones"),
        (("redrive", "1", "--all"), "Say which ones"),
        (("redrive", "--all", "--reason", "CardNumber"), "Say which ones"),
        (("redrive", "1", "--reason", "HandlerFault"), "Say which ones"),
        (("redrive", "seven"), "no number of a dead letter"),
        (("redrive", "7-5"), "ends before it begins"),
        (("redrive", "--", "-"), "no number of a dead letter"),
        (("redrive", ""), "no number of a dead letter"),
        (("redrive", "1\u0661"), "no number of a dead letter"),
        (("redrive", "9" * 41), "no number of a dead letter"),
        (("redrive", "--topic", "bindings"), "not an input topic"),
        (("redrive", "--since", "yesterday"), "not an instant with offset"),
        (("redrive", "--all", "--by", " "), "names nobody"),
        (("redrive", "--all", "--by", "System:x"), "names nobody"),
        (("redrive", "--all", "--by", "a\u202eb"), "names nobody"),
        (("redrive", "--all", "--rate", "0"), "--rate"),
        (("discard", "1"), "Say why"),
        (("discard", "1", "--reason", "  "), "Say why"),
        (("discard", "1", "--reason", "x" * 501), "at most 500 characters"),
        (("discard", "1", "--reason", "\u202edlo"), "control characters"),
        (("discard", "1", "--reason", "4111 1111 1111 1111"), "card number"),
        (("discard", "--reason", "old"), "Say which ones"),
        (("list", "--numbers", "-"), "no number of a dead letter"),
        (("list", "--limit", "0"), "--limit"),
    ),
)
def test_words_that_cannot_be_meant(words: tuple[str, ...], said: str) -> None:
    ran = CliRunner().invoke(app, ("dead-letters", *words))
    assert ran.exit_code == 2
    assert said in ran.stderr
