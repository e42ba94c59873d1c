"""Parts of statements that find commands by their id, of one source or of all.

The parameters are `:organization` and `:command_id`.
"""

SOURCES = """
    WITH RECURSIVE sources(source) AS (
        (SELECT source FROM inbox WHERE organization = :organization ORDER BY organization, source LIMIT 1)
        UNION ALL
        SELECT following.source FROM sources CROSS JOIN LATERAL (
            SELECT source FROM inbox WHERE organization = :organization AND inbox.source > sources.source
            ORDER BY organization, source LIMIT 1
        ) AS following
    )
"""
"""The sources of an organization, by a loose scan of the key of `inbox`, which begins with them: there are few."""


def digest(source: str) -> str:
    """Return the SQL for a command's digest in `forgotten_commands`; `source` is an SQL expression."""
    return f"command_digest(CAST(:organization AS text), CAST({source} AS text), CAST(:command_id AS text))"


_FIRST = f"substr({digest(repr(''))}, 1, 16)"
DIGESTS = f"BETWEEN {_FIRST} AND {_FIRST} || '{chr(92)}xffffffffffffffff'"
"""The range of digests of the commands with an id, of any source: the first 16 bytes do not depend on the source."""
