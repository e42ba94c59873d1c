"""How damage is planted in a database."""

from dataclasses import dataclass

from audit.findings import Promise

UNHELD = (
    "ALTER TABLE bindings DISABLE TRIGGER USER",
    "ALTER TABLE projects DISABLE TRIGGER USER",
    "ALTER TABLE accounts DISABLE TRIGGER USER",
    "ALTER TABLE account_phases DISABLE TRIGGER USER",
    "ALTER TABLE inbox DISABLE TRIGGER USER",
    "ALTER TABLE bindings DROP CONSTRAINT bindings_first_has_a_payer",
    "ALTER TABLE accounts DROP CONSTRAINT accounts_ready_with_profile",
    "ALTER TABLE accounts DROP CONSTRAINT accounts_suspended_by_holds",
    "ALTER TABLE account_phases DROP CONSTRAINT account_phases_of_account",
)
WHERE = {
    "first_of_web": "organization = 'acme' AND project = 'web' AND number = 1",
    "middle_of_web": "organization = 'acme' AND project = 'web' AND number = 2",
    "last_of_web": "organization = 'acme' AND project = 'web' AND number = 4",
    "web": "organization = 'acme' AND project = 'web'",
    "main": "organization = 'acme' AND account = 'main'",
    "unredriven": "number = (SELECT min(number) FROM dead_letters AS letter WHERE NOT EXISTS (SELECT FROM "
    "dead_letter_actions AS action WHERE action.number = letter.number))",
    "asked_for": "(shard, position) = (SELECT shard, position FROM log WHERE CAST(asked AS text) LIKE '%alice%' "
    "LIMIT 1)",
    "middle": "(shard, position) = (SELECT shard, position - 3 FROM shards ORDER BY position DESC LIMIT 1)",
}


@dataclass(frozen=True)
class Planted:
    """What was done to a database, which promise it breaks, and words that the finding contains."""

    promise: Promise
    words: str
    statement: str
