"""Where an unsafe setting of PostgreSQL was made, and what undoes it; and what a role lacks."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from db import safety
from db.refusal import UnsafeDatabase
from db.safety import _check_privileges, _remedy, _where


@pytest.mark.parametrize(
    ("source", "where", "remedy"),
    (
        ("database", ' (set for the database "bills" only)', 'Run: ALTER DATABASE "bills" RESET fsync'),
        ("user", ' (set for the role "ada" only)', 'Run: ALTER ROLE "ada" RESET fsync'),
        (
            "database user",
            ' (set for the role "ada" in the database "bills" only)',
            'Run: ALTER ROLE "ada" IN DATABASE "bills" RESET fsync',
        ),
        ("configuration file", "", "Set fsync = on"),
    ),
)
def test_where_a_setting_comes_from(source: str, where: str, remedy: str) -> None:
    setting: Any = SimpleNamespace(name="fsync", setting="off", source=source, database="bills", role="ada")
    assert (_where(setting), _remedy(setting, "on")) == (where, remedy)


class _Connection:
    """One on which some privileges are missing, and on which partitions may be added or not."""

    def __init__(self, missing: int, *, may_add: bool) -> None:
        self._missing, self._may_add = missing, may_add

    async def execute(self, statement: object, _: object = None) -> Any:
        if statement is not safety._MISSING_PRIVILEGES:
            return SimpleNamespace(one=lambda: ("ada", self._may_add))
        rows = [SimpleNamespace(role=f"ada-{n}", privilege=f"P{n}", name=f"t{n}") for n in range(self._missing)]
        return SimpleNamespace(all=lambda: rows)


@pytest.mark.parametrize(
    ("missing", "words"),
    (
        (1, 'role "ada-0" lacks the privilege P0 on the table t0. Connect'),
        (2, 'role "ada-0" lacks the privilege P0 on the table t0 (and 1 more). Connect'),
        (3, 'role "ada-0" lacks the privilege P0 on the table t0 (and 2 more). Connect'),
        (0, 'role "ada" may not add partitions to the table log'),
    ),
)
def test_what_a_role_lacks_is_told_with_how_much_more(missing: int, words: str) -> None:
    connection: Any = _Connection(missing, may_add=False)
    with pytest.raises(UnsafeDatabase) as refused:
        asyncio.run(_check_privileges(connection))
    assert words in str(refused.value)


def test_a_role_that_lacks_nothing_is_let_in() -> None:
    connection: Any = _Connection(0, may_add=True)
    asyncio.run(_check_privileges(connection))
