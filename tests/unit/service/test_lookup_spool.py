"""Lines of questions are kept in order, some at a time, however they come; nothing of them once one is wrong."""

from collections.abc import AsyncIterator

import orjson
import pytest

from schemas.askers import Asker, Grant, Role
from service.lookups import spool as module
from service.lookups.reading import LookupReader
from service.lookups.spool import Spool

_ACME = orjson.dumps({"organization": "acme", "project": "web"})
_B = orjson.dumps({"organization": "b", "project": "x", "at": None})


async def _parts(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def _reading() -> LookupReader:
    return LookupReader(len, Asker("alice"))


async def _kept(*parts: bytes, reading: LookupReader | None = None) -> tuple[list[list[str]], set[int], list[str]]:
    """Return the projects that are kept together, the shards that are asked, and what is wrong."""
    asks = reading or _reading()
    with Spool() as spool:
        await spool.fill(_parts(*parts), asks)
        assert spool._lines == []
        kept = [wanted.projects for wanted in spool.read()]
        assert kept == [wanted.projects for wanted in spool.read()], "it may be read again"
    assert spool._file.closed
    return kept, spool.shards, [one.field for one in asks.faults]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUESTIONS_AT_ONCE", 2)
    monkeypatch.setattr(module, "LONGEST_LINE", len(_B))


async def test_lines_are_kept_as_they_come_some_at_a_time() -> None:
    assert await _kept() == ([], set(), [])
    assert await _kept(_ACME) == ([["web"]], {4}, [])
    three = b"\n".join((_ACME, _B, _ACME, b""))
    assert await _kept(three) == ([["web", "x", "web"]], {1, 4}, [])
    assert await _kept(three, _B + b"\n", _B) == ([["web", "x", "web"], ["x", "x"]], {1, 4}, [])
    for cut in range(1, len(three) - 1):
        kept, shards, faults = await _kept(three[:cut], three[cut:])
        assert ([name for some in kept for name in some], shards, faults) == (["web", "x", "web"], {1, 4}, [])


async def test_a_line_that_is_too_long_ends_it() -> None:
    with Spool() as spool:
        asks = _reading()
        await spool.fill(_parts(b"\n".join((_ACME, _ACME, b"")), _ACME + b"\n" + _B, b" ", _ACME), asks)
    assert [(one.field, str(one.reason)) for one in asks.faults] == [("/3", "OutOfRange")]


async def test_what_comes_before_a_line_that_is_too_long_is_judged_all_the_same() -> None:
    narrow = LookupReader(len, Asker("alice", grants=(Grant("acme", Role.VIEWER),)))
    _, _, faults = await _kept(b"\n".join((_B, b"", b" " * len(_B) + b" ")), reading=narrow)
    assert (faults, [one.field for one in narrow.forbidden]) == (["/1", "/2"], ["/0/organization"])


async def test_where_one_is_wrong_nothing_more_is_kept() -> None:
    kept, _, faults = await _kept(b"\n".join((_ACME, _ACME, b"")), b"\n".join((_ACME, b"{}", b"")), _ACME)
    assert (kept, faults) == ([["web", "web"]], ["/3/organization", "/3/project"])
    narrow = LookupReader(len, Asker("alice", grants=(Grant("acme", Role.VIEWER),)))
    kept, _, faults = await _kept(b"\n".join((_ACME, _B, b"")), reading=narrow)
    assert (kept, faults, narrow.forbidden_count) == ([], [], 1)
