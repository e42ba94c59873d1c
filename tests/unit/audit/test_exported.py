"""An exported log is checked by its lines alone."""

from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import orjson
import pytest

from audit.exported import NotExported, check_exported
from db.log import LogRow
from db.shard_ranges import ShardRange
from tests.unit.audit.telling import LATER, SOUND, account, binding, payer, rows

_NEW = ShardRange(1, 2, 14)


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
