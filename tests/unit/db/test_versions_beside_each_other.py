"""What every version of the code must agree on, since two of them may work on one database for a while."""

import re

import pytest

from db import dead_letter_actions, log, migrate
from db.revisions import migration_files


def test_two_versions_take_the_same_lock() -> None:
    """Else both would migrate, or redrive, at once."""
    locks = migrate._LOCK_KEY, dead_letter_actions._REDRIVING_LOCK_KEY
    assert [key.to_bytes(8) for key in locks] == [b"\0whopays", b"whoredrv"]


@pytest.mark.parametrize("revision", ("0015", "0022"))
def test_partitions_are_as_large_as_the_database_makes_them(revision: str) -> None:
    made = re.findall(r"positions CONSTANT bigint := (\d+);", migration_files()[revision].read_text(encoding="utf-8"))
    assert made == [str(log.PARTITION_POSITIONS)]
