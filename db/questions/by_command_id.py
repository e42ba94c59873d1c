"""How commands are found by their id, of one source or of all: parts of statements.

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
"""The sources of an organization, from one to the next, since the key of `inbox` begins with them: there are few."""


def digest(source: str) -> str:
    """Return the digest by which `forgotten_commands` knows the command of a source, given as an expression."""
    return f"command_digest(CAST(:organization AS text), CAST({source} AS text), CAST(:command_id AS text))"


_FIRST = f"substr({digest(repr(''))}, 1, 16)"
DIGESTS = f"BETWEEN {_FIRST} AND {_FIRST} || '{chr(92)}xffffffffffffffff'"
"""The digests of the commands with an id, of any source: its first sixteen bytes do not depend on the source."""
