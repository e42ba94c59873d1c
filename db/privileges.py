"""Database privileges of each party: the roles that `whopays migrate --roles` creates (docs/database-roles.md)."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from db.tables import metadata

ALEMBIC = "alembic_version"
BOUND_SCHEMA = "whopays_bound"
"""The schema of the views that a bound reader sees instead of the tables of the same names."""


class Party(StrEnum):
    """A kind of database user. Its role is named after the installation: the name, `_`, and this value."""

    OWNER = "owner"
    WORKER = "worker"
    MAINTENANCE = "maintenance"
    READER = "reader"
    AUDITOR = "auditor"
    BOUND = "bound"


Privileges = Mapping[str, Mapping[str, Sequence[str]]]
"""By table and privilege, the columns it applies to; an empty sequence means all."""


def role_name(installation: str, party: Party) -> str:
    """Return the name of a party's role."""
    return f"{installation}_{party}"


def needed(party: Party) -> Iterator[tuple[str, str, str | None]]:
    """Yield table, privilege and column (None: all) of each privilege of a party."""
    for table, privileges in PRIVILEGES[party].items():
        for privilege, columns in privileges.items():
            for column in columns or (None,):
                yield table, privilege, column


def _on(*privileges: str, **of_columns: Sequence[str]) -> dict[str, Sequence[str]]:
    return dict.fromkeys(privileges, ()) | dict(of_columns)


def _all_but(table: str, *hidden: str) -> tuple[str, ...]:
    return tuple(column.name for column in metadata.tables[table].columns if column.name not in hidden)


def _beyond_key(table: str, *kept: str) -> tuple[str, ...]:
    return _all_but(table, *(column.name for column in metadata.tables[table].primary_key), *kept)


_READ = _on("SELECT")
_HEAD = ("number", "account", "payer_since", "legacy_id")
_SECRETS = ("value", "asker")

_WORKER: Privileges = {
    ALEMBIC: _READ,
    "installation": _READ,
    "shards": _on("SELECT", "UPDATE"),
    # Append-only.
    "log": _on("SELECT", "INSERT"),
    "bindings": _on("SELECT", "INSERT"),
    "account_phases": _on("SELECT", "INSERT"),
    "retired_uids": _on("SELECT", "INSERT"),
    "handled_records": _on("SELECT", "INSERT", "DELETE"),
    # A trigger only lets a row go once it has an entry in `forgotten_commands`, which stays.
    "inbox": _on("SELECT", "INSERT", "DELETE", UPDATE=("shard", "position", "outcome")),
    "forgotten_commands": _on("SELECT", "INSERT"),
    "dead_letters": _on(
        "SELECT",
        "INSERT",
        # For rewrapping keys, and for erasing the content of discarded dead letters.
        UPDATE=("key", "header_names", "header_values", "value", "key_id", "wrapped_key", "sealed", "asker"),
    ),
    "dead_letter_actions": _on("SELECT", "INSERT", "DELETE", UPDATE=("sent_at", "partition", "offset", "timestamp")),
    # Only the trigger on `bindings` writes the payer.
    "projects": _on("SELECT", INSERT=_all_but("projects", *_HEAD), UPDATE=_beyond_key("projects", *_HEAD)),
    "organizations": _on("SELECT", "INSERT", UPDATE=_beyond_key("organizations")),
    "accounts": _on("SELECT", "INSERT", UPDATE=_beyond_key("accounts")),
    "payment_profiles": _on("SELECT", "INSERT", UPDATE=_beyond_key("payment_profiles")),
    "former_payers": _on("SELECT", "INSERT", UPDATE=("last_ended_at",)),
    "account_contacts": _on("SELECT", "INSERT", "DELETE", UPDATE=("key_id", "wrapped_key", "sealed")),
    "pending_bindings": _on("SELECT", "INSERT", "UPDATE", "DELETE"),
    "fan_outs": _on("SELECT", "INSERT", "UPDATE", "DELETE"),
    "reading_positions": _on("SELECT", "INSERT", "UPDATE", "DELETE"),
    "read_ahead": _on("SELECT", "INSERT", "UPDATE", "DELETE"),
    "known_topics": _on("SELECT", "INSERT", "UPDATE"),
    "published": _on("SELECT", "INSERT", "UPDATE", "DELETE"),
    "relay_leases": _on("SELECT", "INSERT", "UPDATE", "DELETE"),
    "relay_slots": _on("SELECT", "UPDATE"),
    "relay_processes": _on("SELECT", "INSERT", "UPDATE", "DELETE"),
    "replays": _on("SELECT", "INSERT", "UPDATE"),
    "archived_log": _READ,
    "chores": _on("SELECT", "INSERT", "UPDATE"),
}
_NOT_FOR_READERS = frozenset({"bound_readers", "handled_records", "relay_processes", "retired_uids"})
"""Tables that no question reads."""
_READER: Privileges = {
    ALEMBIC: _READ,
    **{name: _READ for name in metadata.tables if name not in _NOT_FOR_READERS},
    "dead_letters": {"SELECT": _all_but("dead_letters", *_SECRETS)},
}
_AUDITOR: Privileges = {
    ALEMBIC: _READ,
    **dict.fromkeys(metadata.tables, _READ),
    "last_audit": _on("SELECT", "INSERT", "UPDATE"),
}

_OWN = "organization = ANY (ARRAY(SELECT organization FROM {schema}.bound_readers WHERE reader = session_user))"
_OF_ORGANIZATIONS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "account_contacts", "account_phases", "accounts", "bindings", "dead_letters", "fan_outs", "former_payers",
            "inbox", "organizations", "payment_profiles", "pending_bindings", "projects",
        ),
        _OWN,
    ),
    "log": _OWN.replace("organization =", "boundary ="),
    "forgotten_commands": "EXISTS (SELECT FROM {schema}.log WHERE log.shard = forgotten_commands.shard "
    "AND log.position = forgotten_commands.position AND " + _OWN.replace("organization =", "log.boundary =") + ")",
    "dead_letter_actions": f"number IN (SELECT number FROM {{schema}}.dead_letters WHERE {_OWN})",
    # A replay may span organizations.
    "replays": "false",
}  # fmt: skip
"""Which rows a bound reader sees of each table that holds data of organizations."""


def bound_view(table: str, schema: str) -> str:
    """Return the query of a bound reader's view of a table; `schema` is the quoted schema of the tables."""
    columns = PRIVILEGES[Party.READER][table]["SELECT"] or _all_but(table)
    named = ", ".join(f'"{column}"' for column in columns)
    return f"SELECT {named} FROM {schema}.{table} WHERE {_OF_ORGANIZATIONS[table].format(schema=schema)}"


PRIVILEGES: Mapping[Party, Privileges] = {
    Party.WORKER: _WORKER,
    # No tables: its members are workers, too. It may also call functions (db/roles.py).
    Party.MAINTENANCE: {},
    Party.READER: _READER,
    Party.AUDITOR: _AUDITOR,
    # Only tables without organizations' data; the rest it sees through views.
    Party.BOUND: {name: which for name, which in _READER.items() if name not in _OF_ORGANIZATIONS},
}
BOUND_VIEWS = tuple(_OF_ORGANIZATIONS)
"""The tables that bound readers see through a view."""
