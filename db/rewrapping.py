"""Rotates the key-encryption key: rewraps the data keys that are wrapped under an older one.

Sealed data is not touched, and an erased piece, whose data key is destroyed, stays erased.
"""

from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.sealing import KeyEncryption


@dataclass(frozen=True, slots=True)
class Outdated:
    """How many sealed pieces are not wrapped under the active key."""

    contacts: int
    dead_letters: int

    @property
    def total(self) -> int:
        """The total number of pieces."""
        return self.contacts + self.dead_letters


async def outdated(connection: AsyncConnection, keys: KeyEncryption) -> Outdated:
    """Count the pieces that `rewrap` still has to handle."""
    counts = [
        (await connection.execute(table.count, {"active": keys.active})).scalar_one()
        for table in (_CONTACTS, _DEAD_LETTERS)
    ]
    return Outdated(*counts)


async def rewrap(connection: AsyncConnection, keys: KeyEncryption, limit: int) -> int:
    """Rewrap up to `limit` data keys each of contacts and dead letters; return how many were rewrapped.

    Rows that a worker has locked are left for the next call. Raises Unopenable.
    """
    return sum([await _rewrap(connection, table, keys, limit) for table in (_CONTACTS, _DEAD_LETTERS)])


@dataclass(frozen=True, slots=True)
class _Table:
    count: TextClause
    find: TextClause
    replace: TextClause


async def _rewrap(connection: AsyncConnection, table: _Table, keys: KeyEncryption, limit: int) -> int:
    rows = (await connection.execute(table.find, {"active": keys.active, "row_limit": limit})).all()
    for row in rows:
        key_id, wrapped = keys.wrap(keys.unwrap(row.key_id, row.wrapped_key))
        await connection.execute(table.replace, {**row._mapping, "new_key_id": key_id, "new_wrapped_key": wrapped})
    return len(rows)


def _sealed_table(name: str, key: tuple[str, ...]) -> _Table:
    is_outdated = "key_id <> :active AND wrapped_key IS NOT NULL"
    named = ", ".join(f'"{column}"' for column in key)
    same = " AND ".join(f'"{column}" = :{column}' for column in key)
    return _Table(
        count=text(f"SELECT count(*) FROM {name} WHERE {is_outdated}"),
        # Rows that a worker has locked are skipped: waiting for them could deadlock.
        find=text(
            f"""
            SELECT {named}, key_id, wrapped_key FROM {name}
            WHERE {is_outdated} ORDER BY {named} LIMIT :row_limit FOR UPDATE SKIP LOCKED
            """
        ),
        replace=text(f"UPDATE {name} SET key_id = :new_key_id, wrapped_key = :new_wrapped_key WHERE {same}"),
    )


_CONTACTS = _sealed_table("account_contacts", ("organization", "account"))
_DEAD_LETTERS = _sealed_table("dead_letters", ("topic", "partition", "offset", "timestamp"))
