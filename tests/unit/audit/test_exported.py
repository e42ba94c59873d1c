"""An exported log is checked by its lines alone."""

from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from audit import exported as module
from audit.exported import NotExported, check_exported, export_log
from db import audit
from db.archive.files import ArchivedRow
from db.archive.store import Store
from db.archive.trouble import ArchiveNotConfigured
from db.log import LogRow
from db.shard_ranges import ShardRange, ShardRanges
from db.shards import Head
from tests.unit.audit.telling import LATER, SOUND, account, binding, payer, rows

_NEW = ShardRange(1, 2, 14)
_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)


def _exported(told: list[LogRow], head: Mapping[str, Any]) -> BytesIO:
    lines: list[Any] = [head]
    for row in told:
        key = None if row.key is None else b64encode(row.key).decode()
        lines.append([row.shard, row.position, row.topic, key, row.value.decode(), row.hash.hex(), row.asked])
    return BytesIO(b"".join(orjson.dumps(one) + b"\n" for one in lines))


def _checked(file: BytesIO) -> tuple[list[str], list[tuple[str, int, int]]]:
    shown: list[tuple[str, int, int]] = []
    return [str(one) for one in check_exported(file, lambda *told: shown.append(told))], shown


def test_an_exported_log() -> None:
    told = rows(SOUND)
    head = {"heads": [[0, 14, told[-1].hash.hex()]]}
    found, shown = _checked(_exported(told, head))
    assert (found, shown) == ([], [("log", number, 14) for number in range(1, 15)])
    file = _exported(told, head)
    short = BytesIO(b"\n".join([*file.getvalue().splitlines()[:-1], b"[]", b'[7, 1, "t", null, "", ""]', b""]))
    assert _checked(short)[0] == [
        "line 15: it is not a row of a log",
        "line 16: it is not a row of a log",
        "shard 0: the log ends at position 13, its head says 14",
    ]


def test_an_exported_log_of_two_ranges() -> None:
    old = rows(SOUND)
    shard = _NEW.shard_of("acme")
    further = (
        account(5, "Ready", version=3),
        binding(5, "Superseded", payer(4, "main", LATER, LATER), payer(5, "x", LATER)),
    )
    new = rows(further, begins_after=14, shard=shard)
    heads = [[0, 14, old[-1].hash.hex()], [1, 14, ""], [2, 14, ""]]
    heads[shard] = [shard, 16, new[-1].hash.hex()]
    head = {"heads": heads, "ranges": [[0, 1, 0, [14]], [1, 2, 14, None]], "keptFrom": 0}
    assert _checked(_exported([*old, *new], head))[0] == []
    assert _checked(_exported(new, head))[0][0] == "shard 0: the log ends at position 0, its head says 14"
    assert "shard 0" not in " ".join(_checked(_exported(new, head | {"keptFrom": 15}))[0])
    assert _checked(_exported(old, head))[0] == [f"shard {shard}: the log ends at position 14, its head says 16"]


@pytest.mark.parametrize(
    "head",
    ({}, [], {"heads": [[0, 1]]}, {"heads": [[0, 1, "x"]]}, {"heads": [[1, 1, ""]]}, {"heads": [], "ranges": []}),
)
def test_what_is_no_export(head: Any) -> None:
    with pytest.raises(NotExported, match="its first line holds no shard heads"):
        _checked(_exported([], head))


async def test_what_is_exported_of_the_archive_and_the_table_can_be_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = rows(SOUND)
    told[12] = told[12]._replace(key=None)
    head = Head(14, told[-1].hash, _NOON, _NOON)

    @asynccontextmanager
    async def snapshot(_: Any) -> AsyncIterator[None]:
        yield

    async def log_rows(_: Any, shard: int) -> AsyncIterator[tuple[LogRow, datetime]]:
        assert shard == 0
        for row in told[5:]:
            yield row, _NOON

    async def parts_beyond(_: Any, shard: int, position: int) -> list[Any]:
        assert (shard, position) == (0, 0), "all that is archived"
        return [cast("Any", type("Part", (), {"last_position": 5}))]

    def blocks_of(*_: Any) -> Iterator[list[ArchivedRow]]:
        for some in (told[:2], told[2:5]):
            yield [ArchivedRow(row, _NOON, "acme") for row in some]

    async def of_all(*_: Any) -> Any:
        return ShardRanges([ShardRange(0, 1)])

    async def heads(_: Any) -> dict[int, Head]:
        return {0: head}

    async def kept_from(_: Any) -> int:
        return 0

    for name, fake in {"snapshot": snapshot, "log_rows": log_rows, "kept_from": kept_from}.items():
        monkeypatch.setattr(audit, name, fake)
    for name, faked in {
        "all_heads": heads, "shard_ranges": of_all, "parts_beyond": parts_beyond, "blocks_of": blocks_of,
    }.items():  # fmt: skip
        monkeypatch.setattr(module, name, faked)
    shown: list[tuple[str, int, int]] = []
    engine = cast("AsyncEngine", None)
    lines = [line async for line in export_log(engine, Store(str(tmp_path)), "here", lambda *far: shown.append(far))]
    assert shown == [("log", number, 14) for number in range(1, 15)]
    assert orjson.loads(lines[0]) == {
        "installation": "here", "heads": [[0, 14, head.hash.hex()]], "keptFrom": 0, "ranges": [[0, 1, 0, None]],
    }  # fmt: skip
    # The row that has lost its key is not the one that was hashed.
    found, _ = _checked(BytesIO(b"".join(lines)))
    assert found == ["shard 0, position 13: its hash does not match the row before and its own content"]
    with pytest.raises(ArchiveNotConfigured, match="up to 5"):
        [line async for line in export_log(engine, None, "here", lambda *_: None)]
