"""Damage to accounts, their phases, and rows that hold what cannot be."""

from audit.findings import Promise
from tests.services.audit.damage.planting import Planted

OF_STATE = {
    "an account's balance is of an instant beyond the calendar": Planted(
        Promise.STATE,
        "its row of accounts cannot be loaded: 20000-01-01",
        "UPDATE accounts SET outstanding = 0, outstanding_currency_code = 'EUR', outstanding_as_of = '20000-01-01' "
        "WHERE {main}",
    ),
    "an account's instant is before the calendar": Planted(
        Promise.STATE, "is beyond the calendar", "UPDATE accounts SET activated_at = '0002-01-01 BC' WHERE {main}"
    ),
    "an account's conditions are something else": Planted(
        Promise.STATE, "its row of accounts cannot be loaded", "UPDATE accounts SET conditions = '[{{}}]' WHERE {main}"
    ),
    "an account's holds are no list": Planted(
        Promise.STATE, "its row of accounts cannot be loaded", "UPDATE accounts SET holds = '7' WHERE {main}"
    ),
    "a profile expires beyond the calendar": Planted(
        Promise.STATE,
        "its row of payment_profiles cannot be loaded",
        "UPDATE payment_profiles SET expires_at = '10000-01-01' WHERE organization = 'acme'",
    ),
    "a profile comes from something else": Planted(
        Promise.STATE,
        "its row of payment_profiles cannot be loaded",
        "UPDATE payment_profiles SET origin = '{{\"by\": 1}}' WHERE organization = 'acme'",
    ),
    "a project has a payer since beyond the calendar": Planted(
        Promise.STATE,
        "its row of projects cannot be loaded",
        "UPDATE projects SET payer_since = '20000-01-01' WHERE {web}",
    ),
    "a binding begins beyond the calendar": Planted(
        Promise.STATE,
        "its row of bindings cannot be loaded",
        "UPDATE bindings SET from_instant = '20000-01-01' WHERE {last_of_web}",
    ),
    "what waits is no command": Planted(
        Promise.STATE,
        "its row of pending_bindings cannot be loaded",
        "UPDATE pending_bindings SET command = '{{}}' WHERE organization = 'acme'",
    ),
    "a fan-out tells of something else": Planted(
        Promise.STATE,
        "its row of fan_outs cannot be loaded",
        "INSERT INTO fan_outs VALUES ('acme', 'main', 1, 'Nothing', 'RequirementsMet', '', now(), '', "
        '\'{{"caused_by": "", "sender": "", "passed_on": {{}}}}\')',
    ),
    "a contact is sealed by nobody's key": Planted(
        Promise.STATE,
        'its contact cannot be opened: the key-encryption key "gone"',
        "INSERT INTO account_contacts VALUES ('acme', 'main', 'gone', 'w', 's')",
    ),
    "roles are gone, and views of theirs are left": Planted(
        Promise.RIGHTS, "it is missing", "CREATE SCHEMA whopays_bound"
    ),
    "an account is in another phase": Planted(
        Promise.PHASES, "from what is known it should be", "UPDATE accounts SET phase = 'Incomplete' WHERE {main}"
    ),
    "a fact was lost": Planted(
        Promise.PHASES,
        "from what is known it should be",
        "UPDATE payment_profiles SET state = 'Invalid' WHERE organization = 'acme'",
    ),
    "the history of phases is short": Planted(
        Promise.PHASES, "its history ends with", "DELETE FROM account_phases WHERE {main} AND number > 1"
    ),
    "a phase was told elsewhere": Planted(
        Promise.PHASES, "was not reported at position", "UPDATE account_phases SET position = position + 1 WHERE {main}"
    ),
    "where a phase was told is not known": Planted(
        Promise.PHASES, "was not reported at position None", "UPDATE account_phases SET position = NULL WHERE {main}"
    ),
    "an account has changed without a word": Planted(
        Promise.PHASES, "the log says", "UPDATE accounts SET version = version + 1 WHERE {main}"
    ),
    "an account is gone": Planted(Promise.PHASES, "but it is missing", "DELETE FROM accounts WHERE {main}"),
}
