"""What each party may do in the database: the roles that `whopays migrate --roles` makes (docs/database-roles.md)."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from db.tables import metadata

ALEMBIC = "alembic_version"
BOUND_SCHEMA = "whopays_bound"
"""Where the views stand that a bound reader sees instead of the tables of the same names."""


class Party(StrEnum):
    """Who works on the database. The name of its role is that of the installation, `_`, and this."""

    OWNER = "owner"
    WORKER = "worker"
    MAINTENANCE = "maintenance"
    READER = "reader"
    AUDITOR = "auditor"
    BOUND = "bound"


Privileges = Mapping[str, Mapping[str, Sequence[str]]]
"""By table and privilege, the columns that it is of: none stands for all."""


def role_name(installation: str, party: Party) -> str:
    """Return the name of a party's role."""
    return f"{installation}_{party}"


def needed(party: Party) -> Iterator[tuple[str, str, str | None]]:
    """Yield the table, the privilege, and the column (None for all) of whatever a party may do."""
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
    # Appended, and never changed.
    "log": _on("SELECT", "INSERT"),
    "bindings": _on("SELECT", "INSERT"),
    "account_phases": _on("SELECT", "INSERT"),
    "retired_uids": _on("SELECT", "INSERT"),
    "handled_records": _on("SELECT", "INSERT", "DELETE"),
    # A row leaves only for one of `forgotten_commands`, which stays: a trigger sees to it.
    "inbox": _on("SELECT", "INSERT", "DELETE", UPDATE=("shard", "position", "outcome")),
    "forgotten_commands": _on("SELECT", "INSERT"),
    "dead_letters": _on(
        "SELECT",
        "INSERT",
        # Keys are wrapped again, and what is discarded with its content is erased.
        UPDATE=("key", "header_names", "header_values", "value", "key_id", "wrapped_key", "sealed", "asker"),
    ),
    "dead_letter_actions": _on("SELECT", "INSERT", "DELETE", UPDATE=("sent_at", "partition", "offset", "timestamp")),
    # Who pays is written by the trigger of the bindings alone.
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
_UNASKED = frozenset({"bound_readers", "handled_records", "relay_processes", "retired_uids"})
"""Tables of which no question is asked."""
_READER: Privileges = {
    ALEMBIC: _READ,
    **{name: _READ for name in metadata.tables if name not in _UNASKED},
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
    # Of no one organization.
    "replays": "false",
}  # fmt: skip
"""What a bound reader sees of each table that holds data of organizations."""


def bound_view(table: str, schema: str) -> str:
    """Return the query of the view of a table that a bound reader sees; `schema` is that of the tables, quoted."""
    columns = PRIVILEGES[Party.READER][table]["SELECT"] or _all_but(table)
    named = ", ".join(f'"{column}"' for column in columns)
    return f"SELECT {named} FROM {schema}.{table} WHERE {_OF_ORGANIZATIONS[table].format(schema=schema)}"


PRIVILEGES: Mapping[Party, Privileges] = {
    Party.WORKER: _WORKER,
    # Besides what a worker may: a function.
    Party.MAINTENANCE: {},
    Party.READER: _READER,
    Party.AUDITOR: _AUDITOR,
    # Of what is no organization's.
    Party.BOUND: {name: which for name, which in _READER.items() if name not in _OF_ORGANIZATIONS},
}
BOUND_VIEWS = tuple(_OF_ORGANIZATIONS)
"""The tables of which a bound reader sees a view."""
