"""Cursors hold for their path and parameters, and for nothing else."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from service.cursors import CURSOR, Key, _digest, read_cursor, write_cursor
from service.parameters import Refused

PATH = "/v1/organizations/acme/projects"
ASKED: dict[str, Any] = {"state": "Active", "at": datetime(2026, 11, 1, tzinfo=UTC)}


def read(cursor: str, path: str = PATH, values: dict[str, Any] = ASKED) -> Key:
    return read_cursor(CURSOR.read(cursor), path, values)


@pytest.mark.parametrize("key", (("web",), ("a.b", 7), (2**63 - 1,), ("2026-11-01T00:00:00Z", "n"), (None, 0)))
def test_a_cursor_is_read_as_it_was_written(key: Key) -> None:
    assert read(write_cursor(key, PATH, ASKED)) == key


def test_cursors_of_the_first_version_are_still_read() -> None:
    # Written by the first version; whoever changes how cursors are made goes on reading these.
    assert read(OF_THE_FIRST_VERSION) == ("web", 3)


def test_what_may_differ_from_page_to_page() -> None:
    cursor = write_cursor(("web",), PATH, ASKED | {"limit": 10})
    assert read(cursor, values=ASKED | {"limit": 7, "cursor": cursor, "atLeast": (17, 4711)}) == ("web",)


@pytest.mark.parametrize(
    ("path", "values"),
    (
        ("/v1/organizations/globex/projects", ASKED),
        (PATH, {}),
        (PATH, ASKED | {"state": "Inactive"}),
        (PATH, ASKED | {"account": "main"}),
        (PATH, ASKED | {"at": datetime(2026, 11, 2, tzinfo=UTC)}),
    ),
)
def test_a_cursor_of_another_question_is_refused(path: str, values: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        read(write_cursor(("web",), PATH, ASKED), path, values)


def test_an_altered_cursor_is_refused() -> None:
    cursor = write_cursor(("web", 12), PATH, ASKED)
    for place in range(len(cursor)):
        altered = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        with pytest.raises(Refused):
            read(altered)


@pytest.mark.parametrize("text", ("", "x", "a b", "====", "é", "AAAA", "AAAAAAAAAAAAAAAAe30", "A" * 5000, "%00"))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        read(text)


def test_a_cursor_has_one_spelling() -> None:
    cursor = write_cursor(("web",), PATH, ASKED)
    for other in (cursor + "=", cursor + "==", cursor + "\n", " " + cursor):
        with pytest.raises(Refused):
            read(other)


@pytest.mark.parametrize("key", ({"web": 1}, 7, [1.5], ["web", [3]], ["web", {}]))
def test_a_forged_key_of_other_parts_is_refused(key: Any) -> None:
    """Whoever knows how cursors are made can make one of anything."""
    content = orjson.dumps(key)
    forged = urlsafe_b64encode(_digest(content, PATH, ASKED) + content).decode().rstrip("=")
    with pytest.raises(Refused):
        read(forged)


def test_a_cursor_is_of_2048_characters_at_most() -> None:
    longest = write_cursor(("a" * 1520,), PATH, ASKED)
    assert len(longest) == 2048
    assert read(longest) == ("a" * 1520,)
    with pytest.raises(Refused):
        read(write_cursor(("a" * 1521,), PATH, ASKED))


OF_THE_FIRST_VERSION = "gZD5LPIE5Zw8DsW0WyJ3ZWIiLDNd"
