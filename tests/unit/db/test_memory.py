"""What is remembered of a shard counts only while nobody else wrote there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.memory import FullyLoaded, Memory
from db.shards import Head
from domain.book import Book
from domain.state import Kept, Organization, Project
from tests.services.db.records_of_each_kind import BARE, FAN_OUT, PROFILES, PROJECT, pending_binding

_NOW = datetime(2026, 7, 1, tzinfo=UTC)
_LEFT = {1: Head(7, b"left", _NOW, _NOW)}


def project(name: str) -> Project:
    """Return a project of acme, whose shard is 1."""
    return Project(organization="acme", project=name, state="Active", version=1)


def left(memory: Memory, *names: str, heads: dict[int, Head] | None = None) -> None:
    """Have a transaction commit that knew all of the projects."""
    book = Book()
    book.load(map(project, names))
    heads = heads or _LEFT
    memory.leave(memory.enter(heads), heads, FullyLoaded(projects={("acme", name) for name in names}), book)


def knows(memory: Memory, name: str) -> bool:
    """Return whether the project need not be loaded."""
    records, unknown = memory.projects.recall([("acme", name)])
    assert records in ([], [project(name)])
    assert bool(records) is not bool(unknown)
    return not unknown


def test_what_was_left_is_known_when_the_head_is_still_the_same() -> None:
    memory = Memory(9, lambda _: 1)
    left(memory, "web")
    memory.enter(_LEFT)
    assert knows(memory, "web")
    assert not knows(memory, "other")


def test_an_instant_that_was_raised_is_nothing_that_was_written() -> None:
    memory = Memory(9, lambda _: 1)
    left(memory, "web")
    memory.enter({1: Head(7, b"left", _NOW + timedelta(hours=1), _NOW)})
    assert knows(memory, "web")


def test_nothing_is_known_once_another_has_written() -> None:
    later = _NOW + timedelta(microseconds=1)
    for head in (Head(8, b"left", _NOW, _NOW), Head(7, b"other", _NOW, _NOW), Head(7, b"left", _NOW, later)):
        memory = Memory(9, lambda _: 1)
        left(memory, "web")
        memory.enter({1: head})
        assert not knows(memory, "web")


def test_what_is_written_to_another_shard_is_no_reason_to_forget() -> None:
    memory = Memory(9, lambda organization: 1 if organization == "acme" else 2)
    left(memory, "web", heads={**_LEFT, 2: Head(1, b"", _NOW, _NOW)})
    memory.enter({2: Head(2, b"", _NOW, _NOW)})
    assert knows(memory, "web")


def test_a_transaction_that_failed_leaves_nothing_to_rely_on() -> None:
    memory = Memory(9, lambda _: 1)
    left(memory, "web")
    memory.enter(_LEFT)
    memory.enter(_LEFT)
    assert not knows(memory, "web")


def test_a_transaction_that_another_lane_has_overtaken_leaves_nothing() -> None:
    """It has committed, another process has written, and the other lane has the lock; only then it hears of its end."""
    memory = Memory(9, lambda _: 1)
    entered = memory.enter({1: Head(6, b"before", _NOW, _NOW)})
    memory.enter({1: Head(8, b"by another process", _NOW, _NOW)})
    book = Book()
    book.load([project("web")])
    memory.leave(entered, _LEFT, FullyLoaded(projects={("acme", "web")}), book)
    assert not knows(memory, "web")


def test_the_least_recently_used_is_forgotten() -> None:
    memory = Memory(2, lambda _: 1)
    for name in ("a", "b", "a", "c"):
        left(memory, name)
    assert [knows(memory, name) for name in "abc"] == [True, False, True]
    remembering_nothing = Memory(0, lambda _: 1)
    left(remembering_nothing, "a")
    assert not knows(remembering_nothing, "a")


def test_what_was_changed_without_all_of_it_being_known_is_forgotten() -> None:
    memory = Memory(9, lambda _: 1)
    left(memory, "web")
    entered = memory.enter(_LEFT)
    book = Book()
    book.apply([project("web")])
    memory.leave(entered, _LEFT, FullyLoaded(), book)
    assert not knows(memory, "web")


_OF_EACH_KIND: dict[str, tuple[Any, tuple[Kept, ...]]] = {
    "projects": (PROJECT.key, (PROJECT, pending_binding())),
    "accounts": (BARE.key, (BARE,)),
    "payment_profiles": (PROFILES[0].key, (PROFILES[0],)),
    "organizations": ("acme", (Organization(organization="acme", default_account="bare"), FAN_OUT)),
}


@pytest.mark.parametrize("kind", _OF_EACH_KIND)
def test_each_kind_is_remembered_and_forgotten_once_it_is_changed(kind: str) -> None:
    key, records = _OF_EACH_KIND[kind]
    memory = Memory(9, lambda _: 1)
    remembered = getattr(memory, kind)
    for changed in records:
        book = Book()
        book.load(records)
        memory.leave(memory.enter(_LEFT), _LEFT, FullyLoaded(**{kind: {key, "none"}}), book)
        entered = memory.enter(_LEFT)
        assert remembered.recall([key, "none", "other"]) == ([*records], ["other"]), "of what is not there, too"
        book = Book()
        book.load(records)
        book.apply([changed])
        memory.leave(entered, _LEFT, FullyLoaded(), book)
        memory.enter(_LEFT)
        assert remembered.recall([key]) == ([], [key])
    assert (remembered.hits, remembered.misses) == (2 * len(records), 2 * len(records))
