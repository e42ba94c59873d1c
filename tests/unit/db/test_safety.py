"""Where an unsafe setting of PostgreSQL was made, and what undoes it."""

from types import SimpleNamespace
from typing import Any

import pytest

from db.safety import _remedy, _where


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
