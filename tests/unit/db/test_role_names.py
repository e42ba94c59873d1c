"""Names of roles are refused where PostgreSQL would cut them off."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from db import roles
from db.refusal import RolesRefused

_CONNECTION: Any = None


async def _all_known(_: object, names: Collection[str]) -> set[str]:
    return set(names)


@pytest.mark.parametrize("longest", ("x" * 64, "é" * 31 + "xx"))
def test_a_name_that_is_too_long_is_refused(longest: str) -> None:
    said: list[str] = []
    with pytest.raises(RolesRefused, match=f'The role "{longest}" would have too long a name'):
        asyncio.run(roles._make_roles(_CONNECTION, ["short", longest, "short too"], said.append))
    assert said == []


def test_a_name_may_be_as_long_as_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "known_roles", _all_known)
    said: list[str] = []
    asyncio.run(roles._make_roles(_CONNECTION, ["short", "é" * 31 + "x"], said.append))
    assert said == []
