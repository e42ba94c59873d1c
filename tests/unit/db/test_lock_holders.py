"""Who holds what another waits for, in words: as much as PostgreSQL tells of it."""

import pytest

from db.lock_holders import LockHolder


@pytest.mark.parametrize(
    ("holder", "words"),
    (
        (
            LockHolder(7, "psql", "idle in transaction", 12.4, "the table log"),
            "session 7 (psql, idle in transaction, its transaction began 12 s ago) holds the table log",
        ),
        (LockHolder(7, "psql", None, None, None), "session 7 (psql) holds what it needs"),
        (
            LockHolder(0, "unknown", None, 0.0, "the table log"),
            "session 0 (unknown, its transaction began 0 s ago) holds the table log",
        ),
    ),
)
def test_a_session_is_told_with_what_is_known_of_it(holder: LockHolder, words: str) -> None:
    assert str(holder) == words
