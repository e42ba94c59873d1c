"""Damage to results, and to dead letters."""

from audit.findings import Promise
from tests.services.audit.damage.planting import Planted

_POINT = """
    UPDATE inbox SET position = log.position FROM log WHERE log.shard = inbox.shard AND inbox.command_id = '{2}'
        AND log.topic = 'command-results' AND convert_from(log.value, 'UTF8')::json -> 'data' ->> 'commandId' = '{2}'
        AND convert_from(log.value, 'UTF8')::json -> 'data' ->> '{0}' = '{1}'
"""
"""Points a command's row of `inbox` to the result of its id that has a member of this value."""

_FORGET = """
    WITH gone AS (DELETE FROM inbox WHERE command_id IN ('c0', 'c2') RETURNING *)
    INSERT INTO forgotten_commands SELECT {0} FROM gone
"""

OF_RESULTS = {
    "an id is gone": Planted(
        Promise.RESULTS, "an id could get another meaning", "DELETE FROM inbox WHERE command_id = 'c0'"
    ),
    "a forgotten command is another's": Planted(
        Promise.RESULTS,
        "the row there is not its result",
        _FORGET.format(
            "position, shard, command_digest(organization, source, command_id || '0'), substr(fingerprint, 1, 8)"
        ),
    ),
    "a forgotten command stands elsewhere": Planted(
        Promise.RESULTS,
        "there is no such row in the log",
        _FORGET.format(
            "position + 1000, shard, command_digest(organization, source, command_id), substr(fingerprint, 1, 8)"
        ),
    ),
    "a forgotten command means something else": Planted(
        Promise.RESULTS,
        "its result has another",
        _FORGET.format(
            "position, shard, command_digest(organization, source, command_id), substr(sha256(fingerprint), 1, 8)"
        ),
    ),
    "a result is gone": Planted(
        Promise.RESULTS, "has no result", "UPDATE inbox SET position = position + 1000 WHERE command_id = 'c0'"
    ),
    "a result is another's": Planted(
        Promise.RESULTS,
        "is not its result",
        "UPDATE inbox SET position = other.position FROM inbox AS other "
        "WHERE inbox.command_id = 'c0' AND other.command_id = 'c1'",
    ),
    "a result is one that was repeated": Planted(
        Promise.RESULTS, "is not its result", _POINT.format("repeated", "true", "c3")
    ),
    "a result is that of a dry run": Planted(
        Promise.RESULTS, "is not its result", _POINT.format("dryRun", "true", "refused")
    ),
    "a result is that of another command with its id": Planted(
        Promise.RESULTS, "is not its result", _POINT.format("outcome", "Rejected", "c1")
    ),
    "a result is the one before the last": Planted(
        Promise.RESULTS, "is not its last result", _POINT.format("outcome", "Waiting", "waited")
    ),
    "a result is found by another outcome": Planted(
        Promise.RESULTS, "by outcome Unchanged", "UPDATE inbox SET outcome = 'Unchanged' WHERE command_id = 'c0'"
    ),
    "a result is not found by its project": Planted(
        Promise.RESULTS, "project None", "UPDATE inbox SET project = NULL WHERE command_id = 'c0'"
    ),
    "a result is found by another account": Planted(
        Promise.RESULTS, "account other", "UPDATE inbox SET account = 'other' WHERE command_id = 'c0'"
    ),
    "a dead letter is no longer kept": Planted(
        Promise.DEAD_LETTERS, "that is not kept", "DELETE FROM dead_letters WHERE {unredriven}"
    ),
    "a dead letter is another's": Planted(
        Promise.DEAD_LETTERS,
        "and was published as",
        'UPDATE dead_letters SET "offset" = "offset" + 100 WHERE {unredriven}',
    ),
    "a dead letter has another reason": Planted(
        Promise.DEAD_LETTERS, "and was published as", "UPDATE dead_letters SET reason = 'TooLarge' WHERE {unredriven}"
    ),
    "a dead letter was never published": Planted(
        Promise.DEAD_LETTERS, "but has no event", "UPDATE dead_letters SET position = 10000 WHERE {unredriven}"
    ),
    "what was done about a dead letter is gone": Planted(
        Promise.DEAD_LETTERS, "1 are kept", "DELETE FROM dead_letter_actions WHERE ordinal = 1"
    ),
    "a redriven record was never read": Planted(
        Promise.DEAD_LETTERS, "no worker has noted that", "UPDATE dead_letter_actions SET timestamp = NULL"
    ),
    "a dead letter comes of another": Planted(
        Promise.DEAD_LETTERS, "says that it came of none", "UPDATE dead_letters SET origin = NULL"
    ),
    "who sent a dead letter is sealed by nobody's key": Planted(
        Promise.DEAD_LETTERS,
        'its sender cannot be opened: the key-encryption key "gone"',
        "UPDATE dead_letters SET key_id = 'gone', wrapped_key = 'w', asker = 's' WHERE {unredriven}",
    ),
    "what waits is forgotten": Planted(
        Promise.RESULTS, "nothing is pending", "DELETE FROM pending_bindings WHERE organization = 'acme'"
    ),
}
